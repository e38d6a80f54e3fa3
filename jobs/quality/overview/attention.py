"""What wants a person's eyes: the last day in one sentence, then every day with something wrong, the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.lake.partitions import Partition
from jobs.quality.overview.alerts import Told
from jobs.quality.overview.bands import Series
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import WORST_FIRST, Record
from jobs.quality.overview.words import against, change, exact

MOST_DAYS = 14  # that are spelled out; the calendar has the others
MOST_ALERTS = 4  # of a day
MOST_DROPS = 4


@dataclass(frozen=True)
class Card:
    """A partition with something to say. numbers: its rows against what is usual, and what was dropped."""

    record: Record
    numbers: Sequence[str]


@dataclass(frozen=True)
class Day:
    """A day with something wrong. notes: figures out of their usual range that no rule judges."""

    day: str
    sentence: str
    verdict: str
    missing: Sequence[str]
    alerts: Sequence[Told]
    cards: Sequence[Card]
    notes: Sequence[str]


def sentence(board: Board, day: str) -> str:
    """`5 tables passed, 1 warned (items), 1 stopped (impressions), 2 missing (pairs, qrels)`."""
    found: dict[str, list[str]] = {word: [] for word in (*reversed(WORST_FIRST), "missing")}
    for table in board.tables:
        if cell := board.cells.get((table, day)):
            found[cell[0]["verdict"]].append(table)
        elif board.is_missing(table, day):
            found["missing"].append(table)
    words = []
    for verdict, past in (("pass", "passed"), ("warn", "warned"), ("stop", "stopped"), ("missing", "missing")):
        tables = found[verdict]
        if verdict == "pass":
            words.append(f"{len(tables)} table{'' if len(tables) == 1 else 's'} passed")
        elif tables:
            words.append(f"{len(tables)} {past} ({', '.join(tables)})")
    return ", ".join(words)


def verdict(board: Board, day: str) -> str:
    """The worst of a day; a missing table weighs as a stop, a task that failed as a warning."""
    found = [cell[0]["verdict"] for (_, ds), cell in board.cells.items() if ds == day]
    found += ["warn"] if any(one.failed for one in board.alerts.get(day, ())) else []
    return "stop" if board.missing(day) else min([*found, "pass"], key=WORST_FIRST.index)


def attention(board: Board, rows: Mapping[str, Series], rates: Sequence[Series]) -> list[Day]:
    """Days with a stop, a warning, a hole, an alert or a strange rate. rows: table -> its rows a day."""
    notes = {day: _notes(day, rates) for day in board.days}
    return [found for day in reversed(board.days) if (found := _day(board, day, rows, notes[day]))]


def _notes(day: str, rates: Sequence[Series]) -> list[str]:
    return [
        f"{one.name}: {exact(one.values[day], one.kind)}{against(one, day)}"
        for one in rates
        if day in one.values and not one.judged and one.outside(day)
    ]


def _day(board: Board, day: str, rows: Mapping[str, Series], notes: Sequence[str]) -> Day | None:
    cards = [
        Card(one, _numbers(one, rows))
        for word in WORST_FIRST[:2]
        for table in board.tables
        for one in board.cells.get((table, day), ())
        if one["verdict"] == word
    ]
    missing = board.missing(day)
    alerts = [one for one in board.alerts.get(day, ()) if not _repeats(one, cards)]
    if not (cards or missing or alerts or notes):
        return None
    worst = verdict(board, day)
    return Day(day, sentence(board, day), worst, missing, alerts[:MOST_ALERTS], cards, notes)


def _repeats(alert: Told, cards: Sequence[Card]) -> bool:
    """What jobs.quality.expect tells, the cards say at length."""
    return alert.task.rpartition(".")[2].startswith("expect") and bool(cards)


def _numbers(one: Record, rows: Mapping[str, Series]) -> list[str]:
    partition = Partition.parse(one["partition"])
    found = [_rows(one, rows.get(partition.name), partition.ds)]
    for account in one.get("accounts", ()):
        lost = sorted(account["dropped"].items(), key=lambda it: -it[1])
        lost = [(reason, number) for reason, number in lost if number]
        if lost:
            words = [f"{reason} {number:,}" for reason, number in lost[:MOST_DROPS]]
            words += ["…"] if len(lost) > MOST_DROPS else []
            total = sum(number for _, number in lost)
            share = total / max(account["rows_in"], 1)
            found.append(
                f"{total:,} of {account['rows_in']:,} {account['unit']} dropped ({share:.1%}): {', '.join(words)}"
            )
    return found


def _rows(one: Record, series: Series | None, day: str) -> str:
    text = f"{one['rows']:,} rows"
    low, high = series.bands.get(day, (0.0, float("inf"))) if series else (0.0, float("inf"))
    if series is None or high == float("inf"):
        return text
    against = change(one["rows"], (low + high) / 2)
    return f"{text}, usual {low:,.0f} to {high:,.0f} ({against} from their middle)"
