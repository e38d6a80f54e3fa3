"""The lake's manifests -> figures in Prometheus' text format.

    python -m jobs metrics > /var/lib/node_exporter/nightshelf.prom.new

For the textfile collector of node_exporter. Names of tables, aliases and units are all that it says in words: no query, no
title and no id of a person.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from jobs.lake.alias import Promotion, all_histories, pin_promoted
from jobs.lake.partitions import TABLES, Table
from jobs.lake.read import newest_day, pin, read_verdict
from jobs.platform.arguments import CommandArgs
from jobs.platform.tracking import journal_folder
from jobs.platform.tracking_journal import journals
from jobs.quality.manifest_figures import manifest_figures

DROPPED = "dropped_frac "
VERDICTS = {"pass": 0, "warn": 1, "stop": 2}
HELP = {
    "alias_age_seconds": "Age of the version that an alias points at, since it was made",
    "table_day_timestamp_seconds": "Midnight UTC of a daily table's newest day",
    "table_rows": "Rows of a daily table's newest day",
    "table_dropped_ratio": "Share of the input that the newest day dropped, by unit",
    "table_verdict": "Verdict on a daily table's newest day: 0 pass, 1 warn, 2 stop",
    "mlflow_journal_bytes": "Size of what MLflow was not told yet; a job that runs has a small file",
    "unreadable": "Aliases and tables that could not be read; the log names them",
}
# name, labels, value
Sample = tuple[str, dict[str, str], float]
log = logging.getLogger(__name__)


class Args(CommandArgs):
    """Nothing to set."""


def main(args: Args) -> None:
    """Print all figures."""
    sys.stdout.write(text_format(list(samples(datetime.now(UTC)))))


def samples(now: datetime) -> Iterator[Sample]:
    """All figures. An alias or a table that cannot be read costs its own figures alone."""
    readers: dict[str, Callable[[], list[Sample]]] = {
        **{alias: partial(of_alias, alias, history[0], now) for alias, history in all_histories().items()},
        **{name: partial(of_table, table) for name, table in TABLES.items() if table.keys == ("ds",)},
    }
    unreadable = 0
    for name, read in readers.items():
        try:
            yield from read()
        except (ValueError, LookupError, RuntimeError, OSError) as error:
            log.warning("%s: %s", name, error)
            unreadable += 1
    yield "mlflow_journal_bytes", {}, sum(path.stat().st_size for path in journals(journal_folder()))
    yield "unreadable", {}, unreadable


def of_alias(alias: str, newest: Promotion, now: datetime) -> list[Sample]:
    """Its age."""
    age = now - datetime.fromisoformat(pin_promoted(newest).manifest.created_at)
    return [("alias_age_seconds", {"alias": alias}, age.total_seconds())]


def of_table(table: Table) -> list[Sample]:
    """Day, rows, dropped shares and verdict of the newest day; nothing before the first."""
    if not (day := newest_day(table)):
        return []
    label, pinned = {"table": table.name}, pin(table.at(ds=day), even_stopped=True)
    dropped = {
        name.removeprefix(DROPPED): share
        for name, share in manifest_figures(pinned, ()).items()
        if name.startswith(DROPPED) and name.count(" ") == 1  # without a reason: for any
    }
    verdict = read_verdict(pinned).get("verdict")
    return [
        ("table_day_timestamp_seconds", label, datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()),
        ("table_rows", label, pinned.manifest.rows),
        *(("table_dropped_ratio", {**label, "unit": unit}, share) for unit, share in dropped.items()),
        *([("table_verdict", label, VERDICTS[verdict])] if verdict else []),
    ]


def text_format(found: list[Sample]) -> str:
    """The samples by name, each name with its help and its type."""
    lines = []
    for name, text in HELP.items():
        lines += [f"# HELP nightshelf_{name} {text}", f"# TYPE nightshelf_{name} gauge"]
        lines += [f"nightshelf_{name}{_labels(labels)} {value}" for each, labels, value in found if each == name]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
