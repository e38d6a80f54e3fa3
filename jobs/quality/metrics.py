"""The figures that rules are judged by. Counting and judging use the same name for each.

    rows                                             null price                 mean clicked
    column_values.between position {"max_value": 10000, "min_value": 1}         distinct content_hash
    column_values.unique item_id                     sum impressions            bins position {"edges": [2, 3, 4]}

A rule about rows becomes the number of rows that break it. The values that break it are never kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from jobs.quality.rules import Rule

ROWS = "rows"
PER_ROW = "per_row "
# figures of the manifest and of other tables, which no column answers
NOT_OF_ROWS = (
    *("accounts", "rows_in", "dropped_frac", "fact", "rows_of"),
    *("inputs_after_ds", "newest_input_days_before", "hours_after_inputs"),
)
# a rule about rows -> the metric that counts those that break it, or the aggregate that it judges
METRICS = {
    "expect_column_values_to_not_be_null": "null",
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
_NO_CONDITION = ("null", "mean", "distinct")
# keys of a rule that are no part of its condition
_NOT_CONDITION = {"column", "column_list", "column_A", "column_B", "mostly"}


@dataclass(frozen=True)
class Metric:
    """One figure to count. kind: null, mean, sum, distinct, bins, or the condition whose unexpected rows are counted."""

    kind: str
    columns: tuple[str, ...] = ()
    condition: str = ""

    @property
    def name(self) -> str:
        """The figure's name wherever it is kept."""
        return " ".join(word for word in (self.kind, ",".join(self.columns), self.condition) if word)

    @cached_property
    def kwargs(self) -> dict[str, Any]:
        """The arguments of the condition, such as a least value."""
        kwargs: dict[str, Any] = json.loads(self.condition) if self.condition else {}
        return kwargs

    @classmethod
    def parse(cls, name: str) -> Metric:
        """Read a figure's name."""
        kind, _, rest = name.partition(" ")
        columns, _, condition = rest.partition(" ")
        return cls(kind, tuple(columns.split(",")) if columns else (), condition)


def metric_of(rule: Rule) -> Metric | None:
    """The metric of a rule about rows; None for a rule that names its figure, and for the schema's."""
    kind = METRICS.get(rule.kind)
    if kind is None:
        return Metric(ROWS) if rule.kind == "expect_table_row_count_to_be_between" else None
    condition = {
        name: float(value) if name in ("min_value", "max_value") else value
        for name, value in sorted(rule.kwargs.items())
        if name not in _NOT_CONDITION and value is not False
    }
    if kind in _NO_CONDITION or not condition:
        return Metric(kind, rule.columns)
    return Metric(kind, rule.columns, json.dumps(condition))


def metrics_of(rules: Iterable[Rule]) -> list[Metric]:
    """Every metric that the rules need, each once."""
    metrics = [Metric(ROWS)]
    for rule in rules:
        if (metric := metric_of(rule)) is not None:
            metrics += [metric, *(Metric("null", (column,)) for column in metric.columns)]
        metrics += [Metric.parse(name.removeprefix(PER_ROW)) for name in rule.figures]
    nulls = [Metric("null", metric.columns) for metric in metrics if metric.kind == "mean"]
    merged = [replace(metric, condition="") if metric.kind == "vectors" else metric for metric in metrics]
    return [metric for metric in dict.fromkeys([*merged, *nulls]) if metric.kind not in NOT_OF_ROWS]


def per_row(figures: Mapping[str, float], named: Sequence[str]) -> dict[str, float]:
    """Those of the named figures that are another one as a share of the rows: `per_row orphans item_id items`."""
    rows = figures[ROWS]
    of = {name: name.removeprefix(PER_ROW) for name in named if name.startswith(PER_ROW)}
    return {name: figures[counted] / rows for name, counted in of.items() if rows and counted in figures}
