"""List a day's rejected files and lines, or land repaired ones.

python -m jobs replay --impressions impressions/ds=2026-01-31                                what was set aside, counted
python -m jobs replay --impressions impressions/ds=2026-01-31 --show 5                       five texts of each reason
python -m jobs replay --impressions impressions/ds=2026-01-31 --mended 'mended/*.ndjson.gz'  lands what was mended

A mended file takes the place of a damaged one of its name; any other lies beside the old ones under a name of its own.
The raw partition is replaced at once, and the day is remade by the command or the DAG that the last lines name.
"""

from __future__ import annotations

import json
import logging
import shlex

from jobs.ingest.inspect import damaged
from jobs.ingest.rejected import Rejected, rejected, samples
from jobs.ingest.repair import land_mended, readers, whole_sources
from jobs.ingest.search_log import SET_ASIDE
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
    """Count, show where asked to, land where asked to, say how to go on."""
    found = _found(args)
    log.info("%s:\n%s", args.impressions, found.table())
    if found.is_expired:
        log.warning(
            "%s: its rejected lines were deleted by jobs.privacy.retention, their days are over; deliver the lines anew, from the shop's own",
            args.impressions,
        )
    elif args.show and exists(args.impressions):
        for text in samples(pin(args.impressions, even_stopped=True), args.show):
            log.info("%s", text)
    counts: dict[str, int] = {}
    for (reason, _), number in found.lines.items():
        counts[reason] = counts.get(reason, 0) + number
    told: dict[str, object] = {
        "partition": str(args.impressions),
        "rejected": counts,
        "files_set_aside": [one["name"] for one in found.files],
        "expired": int(found.is_expired),
    }
    return told | (_mend(args) if args.mended else {})


def _found(args: Args) -> Rejected:
    if exists(args.impressions):
        return rejected(pin(args.impressions, even_stopped=True), SET_ASIDE)
    return Rejected({}, damaged(pin(args.raw)), is_expired=False)


def _mend(args: Args) -> dict[str, object]:
    """Publish the raw partition anew and say what is made of it."""
    sources = whole_sources(args.mended)
    with publish(args.raw, args) as out:
        mended = land_mended(out, sources)
    days = readers(args.impressions)
    again = _commands(args, days)
    log.info(
        "%s: %d files added, %d of them in place of damaged ones; make the day anew:\n%s",
        args.raw,
        len(mended.added),
        len(mended.replaced),
        "\n".join(again),
    )
    log.info("later days that were made of it: %s", ", ".join(days) or "none")
    return {
        "log": str(args.raw),
        "added": mended.added,
        "replaced": mended.replaced,
        "known": mended.known,
        "commands": again,
        "later_days": days,
    }


def _commands(args: Args, days: list[str]) -> list[str]:
    """The job with the settings it had, and the DAG for the day and those that were made of it."""
    ds = args.impressions.ds
    given = {"log": str(args.raw), "impressions": str(args.impressions)}
    if exists(args.impressions):
        given = pin(args.impressions, even_stopped=True).manifest.args | given
    words = [word for name, value in given.items() if value != "" for word in (f"--{name}", str(value))]
    job = shlex.join(["python", "-m", "jobs", "impressions", *words])
    dag = f"airflow dags trigger pairs_daily --conf {shlex.quote(json.dumps({'ds': ds}))}"
    if days:
        dag = f"airflow backfill create --dag-id pairs_daily --from-date {ds} --to-date {days[-1]} --reprocess-behavior completed"
    return [job, dag]
