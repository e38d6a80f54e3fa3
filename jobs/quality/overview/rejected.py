"""Rejected rows and files, changes of the logs' schema, and late events: the tables at the overview's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.ingest.search_log import REPAIRABLE_REASONS
from jobs.lake.partitions import Partition
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import Record

MOST_LINES = 21  # of a table; older days are on their partitions' pages


@dataclass(frozen=True)
class RejectedRows:
    """A partition with rejected rows, rejected files or a changed schema. command: the job that repairs it, if any."""

    record: Record
    rows: int
    reasons: Sequence[tuple[str, int]]
    files: Sequence[tuple[str, int]]
    drift: Sequence[tuple[str, int]]
    findings: Sequence[str]
    command: str


@dataclass(frozen=True)
class LateLog:
    """A log that added rows to earlier days."""

    record: Record
    day: str
    changed: Sequence[tuple[str, int]]


def rejected(board: Board) -> list[RejectedRows]:
    """Newest first: rows in quarantine, damaged files, findings on the schema."""
    cells = [board.cells.get((table, day), ()) for day in reversed(board.days) for table in board.tables]
    rows = (_rejected(record) for cell in cells for record in cell)
    return [row for row in rows if row is not None][:MOST_LINES]


def _rejected(record: Record) -> RejectedRows | None:
    if "stated" not in record:
        return None
    stated = record["stated"]
    drift = [(word, number) for word, number in stated["drift"].items() if number]
    files = list(stated["files"].items())
    if not (stated["aside"] or files or drift):
        return None
    is_log = Partition.parse(record["partition"]).name == "impressions"
    reasons = [
        (reason, number)
        for account in record.get("accounts", [])[:1]
        for reason, number in account["dropped"].items()
        if number and stated["aside"] and (not is_log or reason in REPAIRABLE_REASONS)
    ]
    replayed = is_log and (stated["aside"] or files)
    command = f"python -m jobs replay --impressions {record['partition']}" if replayed else ""
    return RejectedRows(record, stated["aside"], reasons, files, drift, stated["findings"], command)


def late_logs(board: Board) -> list[LateLog]:
    """Newest first: the log, and the rows that it added to each earlier day."""
    logs = [
        LateLog(record, day, sorted(record["stated"]["days_changed"].items()))
        for day, record in board.of("late_impressions")
        if "stated" in record and record["stated"]["days_changed"]
    ]
    return logs[::-1][:MOST_LINES]
