"""The heat map: days by tables, each cell the worst verdict of its partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from jobs.quality.overview.charts import short
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import Record

# rows that later logs added are marked from this share of the day's rows on: a few come every day
LATE_FRAC = 0.01
WEEK = 7
SIGNS = {"pass": "✓", "warn": "!", "stop": "×", "missing": "–", "failed": "×", "none": ""}


@dataclass(frozen=True)
class CalendarCell:
    """One day of one table. late: later logs added much to it."""

    verdict: str
    sign: str
    title: str
    href: str
    is_monday: bool
    late: bool = False


@dataclass(frozen=True)
class CalendarHead:
    """The calendar's head: (name, days) of each month; (number, whether it is a Monday) of each day."""

    names: Sequence[tuple[str, int]]
    numbers: Sequence[tuple[str, bool]]


def months(days: Sequence[str]) -> CalendarHead:
    """The head of the columns."""
    counted = Counter(day[:7] for day in days)
    names = [(f"{date.fromisoformat(month + '-01'):%B %Y}", span) for month, span in counted.items()]
    names = [(name if span >= 12 else name[:3] if span >= 3 else "", span) for name, span in names]
    mondays = [date.fromisoformat(day).weekday() == 0 for day in days]
    is_short = len(days) <= WEEK
    numbers = [
        (str(int(day[8:])) if monday or is_short else "", monday) for day, monday in zip(days, mondays, strict=True)
    ]
    return CalendarHead(names, numbers)


def fields(board: Board) -> dict[str, list[CalendarCell]]:
    """Table -> its days."""
    added = added_by(board)
    return {table: [_field(board, table, day, added) for day in board.days] for table in board.tables}


def added_by(board: Board) -> dict[str, list[tuple[str, int]]]:
    """Day -> (day of the log, rows) of later logs that added to it."""
    added: dict[str, list[tuple[str, int]]] = {}
    for ds, record in board.of("late_impressions"):
        for day, rows in record["stated"]["days_changed"].items() if "stated" in record else ():
            added.setdefault(day, []).append((ds, rows))
    return added


def _field(board: Board, table: str, day: str, added: dict[str, list[tuple[str, int]]]) -> CalendarCell:
    monday = date.fromisoformat(day).weekday() == 0
    cell = board.cells.get((table, day))
    if cell:
        later = added.get(day, []) if table == "impressions" else []
        words = [f"{rows:,} rows added by the log of {ds}" for ds, rows in later]
        title = ", ".join([_title(cell), *words])
        worst = cell[0]["verdict"]
        is_late = sum(rows for _, rows in later) > LATE_FRAC * cell[0]["rows"]
        return CalendarCell(worst, SIGNS[worst], title, cell[0]["data_docs"], monday, is_late)
    if not board.is_missing(table, day):
        return CalendarCell("none", "", "", "", monday)
    if any(alert.failed for alert in board.alerts.get(day, ())):
        title = f"{table} {day}: missing, and a task of the day failed"
        return CalendarCell("failed", SIGNS["failed"], title, f"#d{day}", monday)
    return CalendarCell("missing", SIGNS["missing"], f"{table} {day}: missing", "", monday)


def _title(cell: Sequence[Record]) -> str:
    worst, rows = cell[0], sum(record["rows"] for record in cell)
    parts = f" in {len(cell)} partitions" if len(cell) > 1 else ""
    failed = f", {len(worst['stops']) + len(worst['warns'])} of {worst['checks']} checks failed"
    return (
        f"{worst['partition']}: {worst['verdict']}, {rows:,} rows ({short(rows, 'count')}){parts}"
        f"{failed if worst['verdict'] != 'pass' else ''}"
    )
