"""Figures day by day with the band that their rules allow, from earlier days as in jobs.quality.expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from jobs.quality.rules import HISTORY, has_rules, looks_back, rules_of
from models.quality.robust_bands import expected_band

INFINITE = float("inf")
Limits = Mapping[str, Any]
Band = tuple[float, float]
# for figures that no rule judges: a value far from the last four weeks is marked all the same
UNJUDGED: Limits = {"mads": 6.0, "floor_frac": 0.25, "days": 28, "min_days": 7}


@dataclass(frozen=True)
class DailyFigure:
    """A figure by day. kind: count, share or hours; judged: whether the band is that of a rule."""

    name: str
    kind: str
    values: Mapping[str, float]
    bands: Mapping[str, Band] = field(default_factory=dict)
    judged: bool = True

    def outside(self, day: str) -> bool:
        """Whether the day's value is out of its band."""
        low, high = self.bands.get(day, (-INFINITE, INFINITE))
        return not low <= self.values[day] <= high


def history_rules(table: str, figure: str) -> list[Limits]:
    """The limits of the table's rules on a figure and its history."""
    if not figure or not has_rules(table):
        return []
    rules = rules_of(table).rules
    return [rule.kwargs for rule in rules if rule.kind == HISTORY and rule.kwargs["figure"] == figure]


def bands_of(
    values: Mapping[str, float],
    rules: Sequence[Limits],
    stopped: frozenset[str] = frozenset(),
    least_of: float = -INFINITE,
) -> dict[str, Band]:
    """Day -> (low, high) that no rule objects to; days without enough history have none.

    stopped: days that are no history; least_of: the least value that the figure can have, such as 0.
    """
    bands = {day: _band(day, values, rules, stopped, least_of) for day in values}
    return {day: band for day, band in bands.items() if band is not None}


def _band(
    day: str, values: Mapping[str, float], rules: Sequence[Limits], stopped: frozenset[str], least_of: float
) -> Band | None:
    bands = [
        expected_band(before, limits)
        for limits in rules
        if len(before := _before(day, values, limits, stopped)) >= limits.get("min_days", 2)
    ]
    low = max([least_of, *(least for least, _ in bands)])
    high = min([INFINITE, *(most for _, most in bands)])
    return (low, high) if bands and low <= high else None


def _before(day: str, values: Mapping[str, float], limits: Limits, stopped: frozenset[str]) -> list[float]:
    today = date.fromisoformat(day)
    back = {earlier: (today - date.fromisoformat(earlier)).days for earlier in values if earlier not in stopped}
    return [values[earlier] for earlier, ago in back.items() if looks_back(limits, ago)]
