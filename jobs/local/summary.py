"""The end of the demo: summary.json (measures, seconds, paths), the same as small tables, and a search to try."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.arrow import strings, where
from jobs.lake.partitions import REPORT, Partition
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.html import printable
from jobs.platform.tracking import home, tracking_uri

SETTINGS = ("NIGHTSHELF_LAKE", "NIGHTSHELF_HOME")
HEADLINE = ("R@10", "R@60", "RR@60", "nDCG@10")


def champion() -> tuple[Partition, Partition]:
    """The promoted index and the report that judged it."""
    index = pin_alias(CHAMPION).partition
    return index, REPORT.at(**index.values)


def ancestors(pinned: Pinned) -> dict[str, Pinned]:
    """Every partition that this one was made from, itself included, by address."""
    seen = {str(pinned.partition): pinned}
    for source in pinned.manifest.inputs:
        if source.partition not in seen:
            older = pin(Partition.parse(source.partition), attempt=source.attempt, even_stopped=True)
            seen |= ancestors(older)
    return seen


def write_summary(stage_seconds: Mapping[str, float]) -> dict[str, Any]:
    """Write NIGHTSHELF_HOME/summary.json from the champion's report and the manifests behind it."""
    report = pin(champion()[1])
    report_summary = json.loads(report.path("summary.json").read_text("utf-8"))
    rooms: dict[str, float] = {}
    for pinned in ancestors(report).values():
        room = pinned.manifest.job.removeprefix("jobs.")
        rooms[room] = rooms.get(room, 0.0) + pinned.manifest.seconds
    summary = {
        "measures": report_summary["measures"],
        "verdict": report_summary["verdict"],
        "example_query": _example_query(report),
        "simulated": report.manifest.simulated,
        "seconds": {name: round(value, 1) for name, value in stage_seconds.items()},
        "job_seconds": {name: round(value, 1) for name, value in sorted(rooms.items())},
        "paths": {
            "report": str(report.path("report.html")),
            "data_docs": str(home() / "data_docs" / "index.html"),
            "mlflow": tracking_uri(),
            "summary": str(home() / "summary.json"),
        },
    }
    store.write_bytes(str(home() / "summary.json"), json.dumps(summary, indent=1).encode())
    return summary


def _example_query(report: Pinned) -> str:
    """The shop's most searched test query, to be proposed at the end."""
    source = next(source for source in report.manifest.inputs if source.partition.startswith("queries/"))
    rows = read_table(pin(Partition.parse(source.partition), attempt=source.attempt), ["query", "searches", "split"])
    tested = where(rows, "split", "test").sort_by([("searches", "descending"), ("query", "ascending")])
    queries = strings(tested, "query")
    return printable(queries[0]) if queries else ""


def show(summary: Mapping[str, Any], console: Console) -> None:
    """Print measures, seconds and paths."""
    console.print(_measures(summary))
    console.print(_seconds(summary))
    if summary["simulated"]:
        console.print("[yellow]The search log is simulated; these figures say nothing of real users.")
    console.print(f"verdict    {summary['verdict']}")
    for name, path in summary["paths"].items():
        console.print(f"{name:<10} {path}", highlight=False, soft_wrap=True)
    given = [f"{key}={os.environ[key]} " for key in SETTINGS if key in os.environ]
    command = f".venv/bin/python -m jobs search --query {shlex.quote(summary['example_query'])}"
    console.print(f"\nNext: {''.join(given)}{command}", highlight=False, soft_wrap=True)


def _measures(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Held-out queries, whole catalogue", title_justify="left")
    table.add_column("arm")
    for name in HEADLINE:
        table.add_column(name, justify="right")
    for arm, measures in summary["measures"].items():
        table.add_row(arm, *(f"{measures[name]:.3f}" for name in HEADLINE))
    return table


def _seconds(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Where the time went", title_justify="left")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, seconds in summary["seconds"].items():
        table.add_row(name, f"{seconds:.0f}")
    table.add_section()
    for name, seconds in sorted(summary["job_seconds"].items(), key=lambda row: -row[1])[:8]:
        table.add_row(f"  {name}", f"{seconds:.0f}")
    return table
