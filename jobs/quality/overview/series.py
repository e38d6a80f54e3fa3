"""Which figures the overview follows day by day: the rows of every daily table, and the rates that tell a sick log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from jobs.lake.partitions import TABLES, Partition
from jobs.quality.overview.bands import INFINITE, UNJUDGED, Rule, Series, bands_of, rules_of
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import Record

SECONDS_PER_HOUR, HOURS_PER_DAY = 3600, 24
T = TypeVar("T")
Read = Callable[[Record], float | None]


class Wanted(NamedTuple):
    """A figure: of which table, how it is read off a record, and the suite's name for it, if it has one."""

    name: str
    kind: str
    table: str
    read: Read
    figure: str = ""
    floor: float = 0.0


def _figure(name: str) -> Read:
    return lambda one: one.get("figures", {}).get(name)


def _dropped(unit: str, reason: str) -> Read:
    def read(one: Record) -> float | None:
        for account in one.get("accounts", ()):
            if account["unit"] == unit and account["rows_in"]:
                return account["dropped"].get(reason, 0) / account["rows_in"]
        return None

    return read


def _kept(unit: str) -> Read:
    def read(one: Record) -> float | None:
        return next((a["rows_out"] for a in one.get("accounts", ()) if a["unit"] == unit), None)

    return read


def _masked(one: Record) -> float | None:
    return sum(one["stated"]["masked"].values()) if "stated" in one else None


def _changed(one: Record) -> float | None:
    return len(one["stated"]["days_changed"]) if "stated" in one else None


def _ready(one: Record) -> float | None:
    """Hours from the end of the day, by UTC, until its version was published."""
    if "stated" not in one:
        return None
    begun = datetime.fromisoformat(Partition.parse(one["partition"]).ds).replace(tzinfo=UTC)
    published = datetime.fromisoformat(one["stated"]["published_at"]).astimezone(UTC)
    return (published - begun).total_seconds() / SECONDS_PER_HOUR - HOURS_PER_DAY


LINES = "dropped_frac log_lines"
RATES = (
    Wanted("click rate", "share", "impressions", _figure("mean clicked"), "mean clicked"),
    Wanted("cart rate", "share", "impressions", _figure("mean carted"), "mean carted"),
    Wanted("log lines dropped", "share", "impressions", _figure(LINES), LINES),
    Wanted("rare queries withheld", "share", "impressions", _dropped("searches", "rare_query"), floor=0.02),
    Wanted("masked texts", "count", "impressions", _masked, floor=10),
    Wanted("tail queries", "share", "queries", _figure("mean is_tail"), "mean is_tail"),
    Wanted("late events", "count", "late_impressions", _kept("late events"), floor=20),
    Wanted("days they changed", "count", "late_impressions", _changed, floor=1),
    Wanted("day's end to published", "hours", "impressions", _ready, floor=3),
)


def volumes(board: Board) -> Iterator[Series]:
    """Rows a day of each table that has one partition a day."""
    for table in board.tables:
        if TABLES[table].keys == ("ds",):
            wanted = Wanted(table, "count", table, lambda one: one["rows"], "rows")
            yield _series(board, wanted)


def rates(board: Board) -> Iterator[Series]:
    """The rates that there are figures for."""
    for wanted in RATES:
        series = _series(board, wanted)
        if series.values:
            yield series


def _series(board: Board, wanted: Wanted) -> Series:
    values: dict[str, float] = {}
    stopped = set()
    for (table, day), cell in board.cells.items():
        value = wanted.read(cell[0]) if table == wanted.table else None
        if value is not None:
            values[day] = value
            if cell[0]["verdict"] == "stop":
                stopped.add(day)
    rules = rules_of(wanted.table, wanted.figure) if wanted.figure else ()
    judged: tuple[Rule, ...] = rules or ({**UNJUDGED, "floor": wanted.floor},)
    bands = bands_of(values, judged, frozenset(stopped), -INFINITE if wanted.kind == "hours" else 0.0)
    return Series(wanted.name, wanted.kind, _shown(values, board), _shown(bands, board), bool(rules))


def _shown(values: Mapping[str, T], board: Board) -> dict[str, T]:
    """Those of the calendar's days; the ones before are history alone."""
    return {day: values[day] for day in board.days if day in values}
