"""Days that need a person's attention: the last day in one sentence, then every day with a fault, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.lake.partitions import Partition
from jobs.quality.overview.alerts import Alert
from jobs.quality.overview.charts import change, usual_range, written
from jobs.quality.overview.days import Board
from jobs.quality.overview.expected_bands import DailyFigure
from jobs.quality.overview.record import WORST_FIRST, Record

MOST_DAYS = 14  # that are spelled out; the calendar has the others
MOST_ALERTS = 4  # of a day
MOST_DROPS = 4


@dataclass(frozen=True)
class BrokenPartition:
    """A partition that stopped or warned. numbers: its rows beside the usual range, and its dropped rows."""

    record: Record
    numbers: Sequence[str]


@dataclass(frozen=True)
class DayWithFaults:
    """A day with a fault. notes: figures outside their usual range that no rule judges."""

    day: str
    sentence: str
    verdict: str
    missing: Sequence[str]
    alerts: Sequence[Alert]
    cards: Sequence[BrokenPartition]
    notes: Sequence[str]


def sentence(board: Board, day: str) -> str:
    """`5 tables passed, 1 warned (items), 1 stopped (impressions), 2 missing (pairs, qrels)`."""
    by_verdict: dict[str, list[str]] = {word: [] for word in (*reversed(WORST_FIRST), "missing")}
    for table in board.tables:
        if cell := board.cells.get((table, day)):
            by_verdict[cell[0]["verdict"]].append(table)
        elif board.is_missing(table, day):
            by_verdict["missing"].append(table)
    words = []
    for verdict, past in (("pass", "passed"), ("warn", "warned"), ("stop", "stopped"), ("missing", "missing")):
        tables = by_verdict[verdict]
        if verdict == "pass":
            words.append(f"{len(tables)} table{'' if len(tables) == 1 else 's'} passed")
        elif tables:
            words.append(f"{len(tables)} {past} ({', '.join(tables)})")
    return ", ".join(words)


def verdict(board: Board, day: str) -> str:
    """The worst of a day; a missing table weighs as a stop, a task that failed as a warning."""
    verdicts = [cell[0]["verdict"] for (_, ds), cell in board.cells.items() if ds == day]
    verdicts += ["warn"] if any(alert.failed for alert in board.alerts.get(day, ())) else []
    return "stop" if board.missing(day) else min([*verdicts, "pass"], key=WORST_FIRST.index)


def attention(board: Board, rows: Mapping[str, DailyFigure], rates: Sequence[DailyFigure]) -> list[DayWithFaults]:
    """Days with a stop, a warning, a missing table, an alert or an unusual rate. rows: table -> its rows a day."""
    notes = {day: _notes(day, rates) for day in board.days}
    days = (_day(board, day, rows, notes[day]) for day in reversed(board.days))
    return [day for day in days if day is not None]


def _notes(day: str, rates: Sequence[DailyFigure]) -> list[str]:
    return [
        f"{rate.name}: {written(rate.values[day], rate.kind)}{usual_range(rate, day)}"
        for rate in rates
        if day in rate.values and not rate.judged and rate.outside(day)
    ]


def _day(board: Board, day: str, rows: Mapping[str, DailyFigure], notes: Sequence[str]) -> DayWithFaults | None:
    cards = [
        BrokenPartition(record, _numbers(record, rows))
        for word in WORST_FIRST[:2]
        for table in board.tables
        for record in board.cells.get((table, day), ())
        if record["verdict"] == word
    ]
    missing = board.missing(day)
    alerts = [alert for alert in board.alerts.get(day, ()) if not _repeats(alert, cards)]
    if not (cards or missing or alerts or notes):
        return None
    worst = verdict(board, day)
    return DayWithFaults(day, sentence(board, day), worst, missing, alerts[:MOST_ALERTS], cards, notes)


def _repeats(alert: Alert, cards: Sequence[BrokenPartition]) -> bool:
    """Whether the alert is that of jobs.quality.expect, whose findings the cards show in full."""
    return alert.task.rpartition(".")[2].startswith("expect") and bool(cards)


def _numbers(record: Record, rows: Mapping[str, DailyFigure]) -> list[str]:
    partition = Partition.parse(record["partition"])
    lines = [_rows(record, rows.get(partition.name), partition.ds)]
    for account in record.get("accounts", ()):
        dropped = sorted(account["dropped"].items(), key=lambda reason: -reason[1])
        reasons = [f"{reason} {number:,}" for reason, number in dropped if number]
        if reasons:
            total = sum(account["dropped"].values())
            share = total / max(account["rows_in"], 1)
            shown = [*reasons[:MOST_DROPS], *(["…"] if len(reasons) > MOST_DROPS else [])]
            lines.append(
                f"{total:,} of {account['rows_in']:,} {account['unit']} dropped ({share:.1%}): {', '.join(shown)}"
            )
    return lines


def _rows(record: Record, daily: DailyFigure | None, day: str) -> str:
    text = f"{record['rows']:,} rows"
    low, high = daily.bands.get(day, (0.0, float("inf"))) if daily else (0.0, float("inf"))
    if high == float("inf"):
        return text
    return f"{text}, usual {low:,.0f} to {high:,.0f} ({change(record['rows'], (low + high) / 2)} from their middle)"
