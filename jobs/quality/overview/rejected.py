"""What was set aside, what changed in the logs' schema, what came late: the tables at the overview's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.ingest.search_log import REPAIRABLE_REASONS
from jobs.lake.partitions import Partition
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import Record

MOST_LINES = 21  # of a table; older days are on their partitions' pages


@dataclass(frozen=True)
class Aside:
    """A partition of which something was set aside. command: how it is made good, where a job can."""

    record: Record
    day: str
    rows: int
    reasons: Sequence[tuple[str, int]]
    files: Sequence[tuple[str, int]]
    drift: Sequence[tuple[str, int]]
    findings: Sequence[str]
    command: str


@dataclass(frozen=True)
class Late:
    """A log that added to earlier days."""

    record: Record
    day: str
    changed: Sequence[tuple[str, int]]


def set_aside(board: Board) -> list[Aside]:
    """Newest first: rows in quarantine, damaged files, findings on the schema."""
    found = []
    for day in reversed(board.days):
        for table in board.tables:
            for one in board.cells.get((table, day), ()):
                found += [aside] if (aside := _aside(one, day)) else []
    return found[:MOST_LINES]


def _aside(one: Record, day: str) -> Aside | None:
    if "stated" not in one:
        return None
    said = one["stated"]
    drift = [(word, number) for word, number in said["drift"].items() if number]
    files = list(said["files"].items())
    if not (said["aside"] or files or drift):
        return None
    table = Partition.parse(one["partition"]).name
    dropped = one.get("accounts", [])[:1]
    reasons = [
        (reason, number)
        for account in dropped
        for reason, number in account["dropped"].items()
        if number and said["aside"] and (table != "impressions" or reason in REPAIRABLE_REASONS)
    ]
    replayed = table == "impressions" and (said["aside"] or files)
    command = f"python -m jobs replay --impressions {one['partition']}" if replayed else ""
    return Aside(one, day, said["aside"], reasons, files, drift, said["findings"], command)


def late(board: Board) -> list[Late]:
    """Newest first: which log changed which days, by how many rows."""
    found = [
        Late(one, day, sorted(one["stated"]["days_changed"].items()))
        for day, one in board.of("late_impressions")
        if "stated" in one and one["stated"]["days_changed"]
    ]
    return found[::-1][:MOST_LINES]
