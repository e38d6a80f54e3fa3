"""What a suite needs to have counted: one name for each figure, the same for Great Expectations and for those who count.

    rows                                             null price                 mean clicked
    column_values.between position {"max_value": 10000, "min_value": 1}         distinct content_hash
    column_values.unique item_id                     sum impressions            bins position {"edges": [2, 3, 4]}

An expectation about rows comes down to how many rows are otherwise; which rows nobody asks, so nobody is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

ROWS = "rows"
PER_ROW = "per_row "
# figures that come of something else than the table's own rows
BESIDE = (
    "accounts",
    "dropped_frac",
    "fact",
    "inputs_after_ds",
    "newest_input_days_before",
    "hours_after_inputs",
    "rows_of",
)
# an expectation of the suites -> the metric of Great Expectations that it judges
METRICS = {
    "expect_column_values_to_not_be_null": "column_values.nonnull",
    "expect_column_values_to_be_unique": "column_values.unique",
    "expect_compound_columns_to_be_unique": "compound_columns.unique",
    "expect_column_values_to_match_regex": "column_values.match_regex",
    "expect_column_values_to_be_between": "column_values.between",
    "expect_column_values_to_be_in_set": "column_values.in_set",
    "expect_column_pair_values_a_to_be_greater_than_b": "column_pair_values.a_greater_than_b",
    "expect_column_mean_to_be_between": "mean",
    "expect_column_proportion_of_unique_values_to_be_between": "distinct",
}
UNIQUE = ("column_values.unique", "compound_columns.unique")
# what only those judge who have the count: no argument of the count
_JUDGED = {"column", "column_list", "column_A", "column_B", "mostly", "result_format"}
_OF_MEANS = {"mean", "distinct"}


@dataclass(frozen=True)
class Count:
    """One figure. kind: null, mean, sum, distinct, bins, or the metric whose unexpected rows are counted."""

    kind: str
    columns: tuple[str, ...] = ()
    said: str = ""

    @property
    def name(self) -> str:
        """How the figure is called wherever it goes."""
        return " ".join(word for word in (self.kind, ",".join(self.columns), self.said) if word)

    @cached_property
    def kwargs(self) -> dict[str, Any]:
        """The arguments of the condition, such as a least value."""
        found: dict[str, Any] = json.loads(self.said) if self.said else {}
        return found

    @classmethod
    def parse(cls, name: str) -> Count:
        """Read a figure's name."""
        kind, _, rest = name.partition(" ")
        columns, _, said = rest.partition(" ")
        return cls(kind, tuple(columns.split(",")) if columns else (), said)


def count_of(metric: str, columns: Sequence[str], kwargs: Mapping[str, Any]) -> Count:
    """The count of a metric on some columns; arguments that say nothing are left out."""
    if metric == "column_values.nonnull":
        return Count("null", tuple(columns))
    said = {
        name: float(value) if name in ("min_value", "max_value") else value
        for name, value in sorted(kwargs.items())
        if name not in _JUDGED and value is not None and value is not False
    }
    if metric in _OF_MEANS or not said:
        return Count(metric, tuple(columns))
    return Count(metric, tuple(columns), json.dumps(said))


def columns_of(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that an expectation, or the domain of a metric, names."""
    named = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
    return (*(name for name in named if name), *(kwargs.get("column_list") or ()))


def counts_of(expectations: Iterable[Mapping[str, Any]]) -> list[Count]:
    """Every count that these expectations of a committed suite are judged by, each once."""
    found: list[Count] = [Count(ROWS)]
    for one in expectations:
        kwargs = one["kwargs"]
        if metric := METRICS.get(one["type"]):
            columns = columns_of(kwargs)
            found.append(count_of(metric, columns, kwargs))
            found += [Count("null", (name,)) for name in columns]
        found += [Count.parse(name.removeprefix(PER_ROW)) for name in figures_of(kwargs)]
    means = [Count("null", one.columns) for one in found if one.kind == "mean"]
    vectors = [replace(one, said="") if one.kind == "vectors" else one for one in found]
    return [one for one in dict.fromkeys([*vectors, *means]) if one.kind not in BESIDE]


def figures_of(kwargs: Mapping[str, Any]) -> list[str]:
    """The figures that an expectation names itself."""
    return [kwargs[name] for name in ("figure", "other") if kwargs.get(name)]


def per_row(figures: Mapping[str, float], named: Iterable[str]) -> dict[str, float]:
    """Those of the named figures that are another one's share of the rows: `per_row orphans item_id items`."""
    rows = figures[ROWS]
    of = {name: name.removeprefix(PER_ROW) for name in named if name.startswith(PER_ROW)}
    return {name: figures[one] / rows for name, one in of.items() if rows and one in figures}
