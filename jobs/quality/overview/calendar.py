"""The heat map: days by tables, each field the worst verdict of what stands there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from jobs.quality.overview.days import Board
from jobs.quality.overview.record import Record
from jobs.quality.overview.words import said

# what later logs added is marked from this share of the day's rows on: a little comes every day
LATE_FRAC = 0.01
SIGNS = {"pass": "✓", "warn": "!", "stop": "×", "missing": "–", "failed": "×", "none": ""}


@dataclass(frozen=True)
class Field:
    """One day of one table. late: later logs added much to it."""

    verdict: str
    sign: str
    title: str
    href: str
    is_monday: bool
    late: bool = False


@dataclass(frozen=True)
class Months:
    """The head: (name, days) of each month, and of each day its number, where it is a Monday."""

    names: Sequence[tuple[str, int]]
    numbers: Sequence[tuple[str, bool]]


def months(days: Sequence[str]) -> Months:
    """What stands over the columns."""
    counted = Counter(day[:7] for day in days)
    names = [(f"{date.fromisoformat(month + '-01'):%B %Y}", span) for month, span in counted.items()]
    names = [(name if span >= 12 else name[:3] if span >= 3 else "", span) for name, span in names]
    mondays = [date.fromisoformat(day).weekday() == 0 for day in days]
    numbers = [(str(int(day[8:])) if monday else "", monday) for day, monday in zip(days, mondays, strict=True)]
    return Months(names, numbers)


def fields(board: Board) -> dict[str, list[Field]]:
    """Table -> its days."""
    added = added_by(board)
    return {table: [_field(board, table, day, added) for day in board.days] for table in board.tables}


def added_by(board: Board) -> dict[str, list[tuple[str, int]]]:
    """Day -> (day of the log, rows) of later logs that added to it."""
    found: dict[str, list[tuple[str, int]]] = {}
    for ds, one in board.of("late_impressions"):
        for day, rows in one["stated"]["days_changed"].items() if "stated" in one else ():
            found.setdefault(day, []).append((ds, rows))
    return found


def _field(board: Board, table: str, day: str, added: dict[str, list[tuple[str, int]]]) -> Field:
    monday = date.fromisoformat(day).weekday() == 0
    cell = board.cells.get((table, day))
    if cell:
        later = added.get(day, []) if table == "impressions" else []
        words = [f"{rows:,} rows added by the log of {ds}" for ds, rows in later]
        title = ", ".join([_title(cell), *words])
        worst = cell[0]["verdict"]
        is_late = sum(rows for _, rows in later) > LATE_FRAC * cell[0]["rows"]
        return Field(worst, SIGNS[worst], title, cell[0]["data_docs"], monday, is_late)
    if not board.is_missing(table, day):
        return Field("none", "", "", "", monday)
    if any(alert.failed for alert in board.alerts.get(day, ())):
        title = f"{table} {day}: missing, and a task of the day failed"
        return Field("failed", SIGNS["failed"], title, f"#d{day}", monday)
    return Field("missing", SIGNS["missing"], f"{table} {day}: missing", "", monday)


def _title(cell: Sequence[Record]) -> str:
    worst, rows = cell[0], sum(one["rows"] for one in cell)
    parts = f" in {len(cell)} partitions" if len(cell) > 1 else ""
    failed = f", {len(worst['stops']) + len(worst['warns'])} of {worst['checks']} checks failed"
    return (
        f"{worst['partition']}: {worst['verdict']}, {rows:,} rows ({said(rows, 'count')}){parts}"
        f"{failed if worst['verdict'] != 'pass' else ''}"
    )
