"""Why rows were dropped, day by day: shares of what came in, stacked by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.quality.overview.days import Board

MOST_REASONS = 7  # as many hues as eyes tell apart; what is rarer is one reason more
OTHER = "other reasons"
BOT = "bot_"


@dataclass(frozen=True)
class Stack:
    """Shares by day, in the order of `reasons`; titles say them in numbers, totals over all days."""

    name: str
    reasons: Sequence[str]
    totals: Mapping[str, int]
    shares: Mapping[str, Sequence[float]]
    titles: Mapping[str, str]


def stacks(board: Board) -> Iterator[Stack]:
    """Every account of a daily table of which something was dropped, and the robots once more, by rule."""
    for table in board.tables:
        units = {
            account["unit"]: None
            for _, one in board.of(table)
            for account in one.get("accounts", ())
            if account["dropped"]
        }
        for unit in units if table in board.daily else ():
            yield _stack(board, table, unit, "")
    bots = _stack(board, "impressions", "searches", BOT)
    if bots.reasons:
        yield bots


def _stack(board: Board, table: str, unit: str, only: str) -> Stack:
    accounts = board.accounts(table, unit)
    dropped = {
        day: {reason: rows for reason, rows in one["dropped"].items() if reason.startswith(only)}
        for day, one in accounts.items()
    }
    counted: Counter[str] = Counter()
    for reasons in dropped.values():
        counted.update(reasons)
    order = [reason for reason, rows in counted.most_common() if rows]
    shown, rest = order[:MOST_REASONS], order[MOST_REASONS:]
    totals = {reason: counted[reason] for reason in shown}
    if rest:
        totals[OTHER] = sum(counted[reason] for reason in rest)
    shares, titles = {}, {}
    for day, one in accounts.items():
        rows_in = max(one["rows_in"], 1)
        parts = [dropped[day].get(reason, 0) for reason in shown]
        parts += [sum(dropped[day].get(reason, 0) for reason in rest)] if rest else []
        shares[day] = [rows / rows_in for rows in parts]
        words = [
            f"{reason} {rows:,} ({rows / rows_in:.2%})"
            for reason, rows in sorted(dropped[day].items(), key=lambda it: -it[1])
            if rows
        ]
        titles[day] = f"{day}: of {one['rows_in']:,} {unit}: {', '.join(words) or 'none dropped'}"
    name = f"robots by rule, of {unit}" if only else f"{table}: {unit}"
    return Stack(name, list(totals), totals, shares, titles)
