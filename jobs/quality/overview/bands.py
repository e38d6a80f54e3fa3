"""Figures day by day with the band that their rules allow, computed from earlier days as jobs.quality.expect does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from models.quality.bands import usual_band

SUITES = Path(__file__).resolve().parents[3] / "great_expectations" / "expectations"
HISTORY = "expect_figure_to_be_near_its_history"
WEEK = 7
INFINITE = float("inf")
Rule = Mapping[str, Any]
Band = tuple[float, float]
# for figures that no suite judges: what is far from the last four weeks is marked all the same
UNJUDGED: Rule = {"mads": 6.0, "floor_frac": 0.25, "days": 28, "min_days": 7}


@dataclass(frozen=True)
class Series:
    """A figure by day. kind: count, share or hours; judged: whether a rule of a suite says what the band is."""

    name: str
    kind: str
    values: Mapping[str, float]
    bands: Mapping[str, Band] = field(default_factory=dict)
    judged: bool = True

    def outside(self, day: str) -> bool:
        """Whether the day's value is out of its band."""
        low, high = self.bands.get(day, (-INFINITE, INFINITE))
        return not low <= self.values[day] <= high


@cache
def rules_of(table: str, figure: str) -> tuple[Rule, ...]:
    """What the table's suite says of a figure and its history."""
    path = SUITES / f"{table}.json"
    if not path.is_file():
        return ()
    expectations = json.loads(path.read_text("utf-8"))["expectations"]
    return tuple(one["kwargs"] for one in expectations if one["type"] == HISTORY and one["kwargs"]["figure"] == figure)


def bands_of(
    values: Mapping[str, float],
    rules: Sequence[Rule],
    stopped: frozenset[str] = frozenset(),
    least_of: float = -INFINITE,
) -> dict[str, Band]:
    """Day -> (low, high) that no rule objects to; days without enough history have none.

    stopped: days that are no history; least_of: what the figure cannot fall below, such as 0.
    """
    found = {day: _band(day, values, rules, stopped, least_of) for day in values}
    return {day: band for day, band in found.items() if band is not None}


def _band(
    day: str, values: Mapping[str, float], rules: Sequence[Rule], stopped: frozenset[str], least_of: float
) -> Band | None:
    low, high, judged = least_of, INFINITE, False
    for rule in rules:
        before = _before(day, values, rule, stopped)
        if len(before) < rule.get("min_days", 2):
            continue
        least, most = usual_band(
            before,
            rule.get("min_ratio"),
            rule.get("max_ratio"),
            rule.get("mads"),
            rule.get("floor", 0.0),
            rule.get("floor_frac", 0.0),
        )
        low, high, judged = max(low, least), min(high, most), True
    return (low, high) if judged and low <= high else None


def _before(day: str, values: Mapping[str, float], rule: Rule, stopped: frozenset[str]) -> list[float]:
    today, days = date.fromisoformat(day), rule.get("days", 28)
    back = {earlier: (today - date.fromisoformat(earlier)).days for earlier in values}
    return [
        values[earlier]
        for earlier, ago in back.items()
        if 1 <= ago <= days and earlier not in stopped and not (rule.get("weekday", False) and ago % WEEK)
    ]
