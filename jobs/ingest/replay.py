"""List a day's rejected files and lines; land repaired ones.

python -m jobs replay --impressions impressions/ds=2026-01-31                           count rejected lines and files
python -m jobs replay --impressions impressions/ds=2026-01-31 --show 5                  show five texts of each reason
python -m jobs replay --impressions impressions/ds=2026-01-31 --mended 'mended/*.ndjson.gz'  land repaired files

A repaired file replaces a damaged one of the same name; any other file is added under a name of its own. The raw
partition is replaced in one step. The last log lines name the command or the DAG that makes the day again.
"""

from __future__ import annotations

import json
import logging
import shlex
from collections import Counter

from jobs.ingest.inspect import damaged
from jobs.ingest.repair import (
    RejectedInput,
    dependent_days,
    land_repaired,
    rejected_input,
    rejected_texts,
    repaired_files,
)
from jobs.ingest.search_log import REPAIRABLE_REASONS
from jobs.lake.partitions import LOG, NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import exists, pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """impressions  the day whose lines or files were rejected; it need not be published
    log          the day's raw files; empty: those of the same day
    show         rejected texts to print per reason; they may hold personal data
    mended       repaired files to land: a file, a folder or a pattern, as for `land`
    """

    impressions: Partition
    log: Partition = NOWHERE
    show: NonNegativeInt = 0
    mended: str = ""

    @property
    def raw(self) -> Partition:
        """The raw partition."""
        return self.log or LOG.at(ds=self.impressions.ds)


def main(args: Args) -> dict[str, object]:
    """Count the rejected lines; show and repair them on request."""
    rejected = _rejected(args)
    log.info("%s:\n%s", args.impressions, rejected.table())
    if rejected.is_expired:
        log.warning(
            "%s: retention has deleted its rejected lines; deliver them again from the shop's own copy",
            args.impressions,
        )
    elif args.show and exists(args.impressions):
        for text in rejected_texts(pin(args.impressions, even_stopped=True), args.show):
            log.info("%s", text)
    counts: Counter[str] = Counter()
    for (reason, _), number in rejected.lines.items():
        counts[reason] += number
    summary: dict[str, object] = {
        "partition": str(args.impressions),
        "rejected": dict(counts),
        "files_set_aside": [file["name"] for file in rejected.files],
        "expired": int(rejected.is_expired),
    }
    return summary | (_repair(args) if args.mended else {})


def _rejected(args: Args) -> RejectedInput:
    if exists(args.impressions):
        return rejected_input(pin(args.impressions, even_stopped=True), REPAIRABLE_REASONS)
    return RejectedInput({}, damaged(pin(args.raw)), is_expired=False)


def _repair(args: Args) -> dict[str, object]:
    """Publish the raw partition with the repaired files; name the commands that make the day again."""
    sources = repaired_files(args.mended)
    with publish(args.raw, args) as out:
        repair = land_repaired(out, sources)
    days = dependent_days(args.impressions)
    commands = _commands(args, days)
    log.info(
        "%s: %d files added, %d of them replace damaged ones; make the day again:\n%s",
        args.raw,
        len(repair.added),
        len(repair.replaced),
        "\n".join(commands),
    )
    log.info("later days that were made from it: %s", ", ".join(days) or "none")
    return {
        "log": str(args.raw),
        "added": repair.added,
        "replaced": repair.replaced,
        "known": repair.known,
        "commands": commands,
        "later_days": days,
    }


def _commands(args: Args, days: list[str]) -> list[str]:
    """The command with its earlier settings, and the DAG run for the day and the days made from it."""
    ds = args.impressions.ds
    settings = {"log": str(args.raw), "impressions": str(args.impressions)}
    if exists(args.impressions):
        settings = pin(args.impressions, even_stopped=True).manifest.args | settings
    words = [word for name, value in settings.items() if value != "" for word in (f"--{name}", str(value))]
    job = shlex.join(["python", "-m", "jobs", "impressions", *words])
    dag = f"airflow dags trigger pairs_daily --conf {shlex.quote(json.dumps({'ds': ds}))}"
    if days:
        span = f"--from-date {ds} --to-date {days[-1]}"
        dag = f"airflow backfill create --dag-id pairs_daily {span} --reprocess-behavior completed"
    return [job, dag]
