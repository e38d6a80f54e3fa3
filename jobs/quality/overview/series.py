"""The figures that the overview follows day by day: rows of every daily table, rates, and rows dropped by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from jobs.lake.partitions import TABLES, Partition
from jobs.quality.overview.days import Board
from jobs.quality.overview.expected_bands import INFINITE, UNJUDGED, DailyFigure, bands_of, history_rules
from jobs.quality.overview.record import Account, Record

SECONDS_PER_HOUR, HOURS_PER_DAY = 3600, 24
# a day that is published later than that was made again or imported: its age says nothing of the nightly run
NIGHTLY_HOURS = 7 * HOURS_PER_DAY
MOST_REASONS = 7  # as many hues as eyes can tell apart; rarer reasons are drawn as one
OTHER = "other reasons"
BOT = "bot_"
T = TypeVar("T")
Read = Callable[[Record], float | None]


class FigureSource(NamedTuple):
    """The source of a figure: its table, the way to read it from a record, and its name in the rules, if it has one."""

    name: str
    kind: str
    table: str
    read: Read
    figure: str = ""
    floor: float = 0.0


@dataclass(frozen=True)
class DropReasons:
    """Rows dropped as shares of the rows that came in, by day, in the order of `reasons`; totals are over all days."""

    name: str
    reasons: Sequence[str]
    totals: Mapping[str, int]
    shares: Mapping[str, Sequence[float]]
    titles: Mapping[str, str]


def _figure(name: str) -> Read:
    return lambda record: record.get("figures", {}).get(name)


def _dropped(unit: str, reason: str) -> Read:
    def read(record: Record) -> float | None:
        for account in record.get("accounts", ()):
            if account["unit"] == unit and account["rows_in"]:
                return account["dropped"].get(reason, 0) / account["rows_in"]
        return None

    return read


def _kept(unit: str) -> Read:
    def read(record: Record) -> float | None:
        return next((a["rows_out"] for a in record.get("accounts", ()) if a["unit"] == unit), None)

    return read


def _masked(record: Record) -> float | None:
    return sum(record["stated"]["masked"].values()) if "stated" in record else None


def _changed(record: Record) -> float | None:
    return len(record["stated"]["days_changed"]) if "stated" in record else None


def _ready(record: Record) -> float | None:
    """Hours from the end of the day (UTC) until it was published; None for days that no nightly run made."""
    if "stated" not in record or record["simulated"]:
        return None
    begun = datetime.fromisoformat(Partition.parse(record["partition"]).ds).replace(tzinfo=UTC)
    published = datetime.fromisoformat(record["stated"]["published_at"]).astimezone(UTC)
    hours = (published - begun).total_seconds() / SECONDS_PER_HOUR - HOURS_PER_DAY
    return hours if hours <= NIGHTLY_HOURS else None


LINES = "dropped_frac log_lines"
RATES = (
    FigureSource("click rate", "share", "impressions", _figure("mean clicked"), "mean clicked"),
    FigureSource("cart rate", "share", "impressions", _figure("mean carted"), "mean carted"),
    FigureSource("log lines dropped", "share", "impressions", _figure(LINES), LINES),
    FigureSource("rare queries withheld", "share", "impressions", _dropped("searches", "rare_query"), floor=0.02),
    FigureSource("masked texts", "count", "impressions", _masked, floor=10),
    FigureSource("tail queries", "share", "queries", _figure("mean is_tail"), "mean is_tail"),
    FigureSource("late events", "count", "late_impressions", _kept("late events"), floor=20),
    FigureSource("earlier days they changed", "count", "late_impressions", _changed, floor=1),
    FigureSource("day's end to published", "hours", "impressions", _ready, floor=3),
)


def volumes(board: Board) -> Iterator[DailyFigure]:
    """Rows a day of each table that has one partition a day."""
    for table in board.tables:
        if TABLES[table].keys == ("ds",):
            yield _by_day(board, FigureSource(table, "count", table, lambda record: record["rows"], "rows"))


def rates(board: Board) -> Iterator[DailyFigure]:
    """The rates of which there are figures."""
    for source in RATES:
        daily = _by_day(board, source)
        if daily.values:
            yield daily


def _by_day(board: Board, source: FigureSource) -> DailyFigure:
    values: dict[str, float] = {}
    stopped = set()
    for (table, day), cell in board.cells.items():
        value = source.read(cell[0]) if table == source.table else None
        if value is not None:
            values[day] = value
            if cell[0]["verdict"] == "stop":
                stopped.add(day)
    rules = history_rules(source.table, source.figure)
    limits = rules or [{**UNJUDGED, "floor": source.floor}]
    bands = bands_of(values, limits, frozenset(stopped), -INFINITE if source.kind == "hours" else 0.0)
    return DailyFigure(source.name, source.kind, _shown(values, board), _shown(bands, board), bool(rules))


def _shown(values: Mapping[str, T], board: Board) -> dict[str, T]:
    """Those of the calendar's days; earlier ones are history alone."""
    return {day: values[day] for day in board.days if day in values}


def drop_reasons(board: Board) -> Iterator[DropReasons]:
    """Every account of a daily table with dropped rows, and once more the searches of bots, by rule."""
    for table in board.tables:
        accounts = [account for _, record in board.of(table) for account in record.get("accounts", ())]
        units = dict.fromkeys(account["unit"] for account in accounts if account["dropped"])
        for unit in units if table in board.daily else ():
            yield _drops(f"{table}: {unit}", unit, board.accounts(table, unit), "")
    bots = _drops("bots by rule, of searches", "searches", board.accounts("impressions", "searches"), BOT)
    if bots.reasons:
        yield bots


def _drops(name: str, unit: str, accounts: Mapping[str, Account], prefix: str) -> DropReasons:
    dropped = {
        day: {reason: rows for reason, rows in account["dropped"].items() if rows and reason.startswith(prefix)}
        for day, account in accounts.items()
    }
    counted: Counter[str] = Counter()
    for reasons in dropped.values():
        counted.update(reasons)
    order = [reason for reason, _ in counted.most_common()]
    shown, rest = order[:MOST_REASONS], order[MOST_REASONS:]
    totals = {reason: counted[reason] for reason in shown}
    if rest:
        totals[OTHER] = sum(counted[reason] for reason in rest)
    shares, titles = {}, {}
    for day, account in accounts.items():
        rows_in = max(account["rows_in"], 1)
        parts = [dropped[day].get(reason, 0) for reason in shown]
        parts += [sum(dropped[day].get(reason, 0) for reason in rest)] if rest else []
        shares[day] = [rows / rows_in for rows in parts]
        words = [f"{reason} {rows:,} ({rows / rows_in:.2%})" for reason, rows in _most_first(dropped[day])]
        titles[day] = f"{day}: of {account['rows_in']:,} {unit}: {', '.join(words) or 'none dropped'}"
    return DropReasons(name, list(totals), totals, shares, titles)


def _most_first(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda reason: -reason[1])
