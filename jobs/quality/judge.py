"""Judge the counted figures of one partition: Great Expectations over a frame of one row, a column for each figure.

Each rule becomes the range in which its figure is expected. Rules on history take that range from earlier days. Great
Expectations judges every range with its stock `expect_column_max_to_be_between`; it is given numbers alone, so it cannot
print a value of the data.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs.quality.metrics import ROWS, UNIQUE, metric_of
from jobs.quality.rules import BINS, HISTORY, SCHEMA, SEVERITY, Rule, looks_back
from models.quality.robust_bands import expected_band, stability_index

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.batch_definition import BatchDefinition

SCHEMA_FIGURE = "schema_differences"
NOT_COUNTED = "no figure: no rows, or a column that is not there"
Figures = Mapping[str, float]
# (days ago, figures) of earlier days that did not stop, newest first
History = Sequence[tuple[int, Figures]]


@dataclass(frozen=True)
class ExpectedRange:
    """A rule's figure and the range in which it is expected. value None: not counted, or not stated.

    rows  the rule counts rows that break it, out of so many; None: it judges the figure itself
    days  earlier days that the range follows from; None: it is fixed
    """

    rule: Rule
    figure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    days: int | None = None

    @property
    def applies(self) -> bool:
        """Whether there is something to judge: a figure that nobody stated, or without history, passes."""
        if self.rule.figures:
            return self.value is not None and (self.low is not None or self.high is not None)
        return True


@dataclass(frozen=True)
class Finding:
    """A rule and what it found. counted: whether its figure could be counted at all."""

    rule: Rule
    success: bool
    found: str
    counted: bool = True

    def __str__(self) -> str:
        return f"{self.rule.text} [{self.rule.kind}]: found {self.found}; {self.rule.why}"


def expected_range(rule: Rule, figures: Figures, history: History = ()) -> ExpectedRange:
    """The figure that a rule judges and its range, of this day's figures and earlier days'."""
    if rule.kind == HISTORY:
        return _near_history(rule, figures, history)
    if rule.kind == BINS:
        return _like_earlier_bins(rule, figures, history)
    if rule.kind == "expect_figures_to_be_equal":
        return _equal(rule, figures)
    low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    if rule.kind == "expect_figure_to_be_between":
        return ExpectedRange(rule, rule.kwargs["figure"], figures.get(rule.kwargs["figure"]), low, high)
    if rule.kind == SCHEMA:
        return ExpectedRange(rule, SCHEMA_FIGURE, figures.get(SCHEMA_FIGURE), high=0)
    return _of_rows(rule, figures, low, high)


def _of_rows(rule: Rule, figures: Figures, low: float | None, high: float | None) -> ExpectedRange:
    """A rule about rows: a mean, a share, the number of rows, or how many rows break the rule."""
    metric = metric_of(rule)
    if metric is None:
        raise ValueError(f"{rule.text}: found the unknown expectation {rule.kind}")
    value = figures.get(metric.name)
    if metric.kind in ("mean", ROWS):
        return ExpectedRange(rule, metric.name, value, low, high)
    rows = figures[ROWS]
    given = rows - figures.get(f"null {metric.columns[0]}", rows)
    if metric.kind == "distinct":
        unique_frac = value / given if given and value is not None else None
        return ExpectedRange(rule, f"unique_frac {metric.columns[0]}", unique_frac, low, high)
    judged = rows if metric.kind in ("null", *UNIQUE) else given
    most = round(judged - rule.kwargs.get("mostly", 1) * judged, 9)
    return ExpectedRange(rule, metric.name, value, high=most, rows=int(rows))


def _equal(rule: Rule, figures: Figures) -> ExpectedRange:
    value, other = (figures.get(name) for name in rule.figures)
    slack = rule.kwargs.get("tolerance", 0) * abs(other or 0)
    if other is None:
        return ExpectedRange(rule, rule.kwargs["figure"], value)
    return ExpectedRange(rule, rule.kwargs["figure"], value, other - slack, other + slack)


def _near_history(rule: Rule, figures: Figures, history: History) -> ExpectedRange:
    name = rule.kwargs["figure"]
    values = [_stated(name, earlier) for earlier in _days(rule, history)]
    before = [value for value in values if value is not None]
    expected = ExpectedRange(rule, name, figures.get(name), days=len(before))
    if len(before) < rule.kwargs.get("min_days", 2):
        return expected
    low, high = expected_band(before, rule.kwargs)
    return replace(expected, low=low if math.isfinite(low) else None, high=high if math.isfinite(high) else None)


def _stated(name: str, figures: Figures) -> float | None:
    """A day's figure. A reason that is not listed dropped no row, if the day counted the rows that came in."""
    kind, _, reason = name.partition(" ")
    is_counted = kind == "dropped_frac" and f"{kind} {reason.partition(' ')[0]}" in figures
    return figures.get(name, 0.0 if is_counted else None)


def _like_earlier_bins(rule: Rule, figures: Figures, history: History) -> ExpectedRange:
    """The population stability index of the bins against earlier days."""
    name = rule.kwargs["figure"]
    bins = [figure for figure in figures if figure.rpartition(" ")[0] == name]
    before = [
        [earlier[figure] for figure in bins]
        for earlier in _days(rule, history)
        if bins and all(figure in earlier for figure in bins)
    ]
    if len(before) < rule.kwargs.get("min_days", 2):
        return ExpectedRange(rule, f"psi {name}", None, days=len(before))
    index = stability_index(before, [figures[figure] for figure in bins])
    return ExpectedRange(rule, f"psi {name}", index, high=rule.kwargs["max_psi"], days=len(before))


def _days(rule: Rule, history: History) -> list[Figures]:
    """The earlier days that the rule looks at, newest first."""
    return [figures for ago, figures in history if looks_back(rule.kwargs, ago)]


def judge(table: str, ranges: Sequence[ExpectedRange]) -> tuple[ExpectationSuiteValidationResult, list[bool]]:
    """Great Expectations' own result, and for each range whether its figure lies in it."""
    import pandas as pd
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween
    from great_expectations.expectations.metadata_types import FailureSeverity

    judged = [expected for expected in ranges if expected.applies]
    suite = ExpectationSuite(
        name=table,
        expectations=[
            ExpectColumnMaxToBeBetween(
                column=expected.figure,
                min_value=expected.low,
                max_value=expected.high,
                strict_min=expected.rows is None and expected.rule.kwargs.get("strict_min", False),
                strict_max=expected.rows is None and expected.rule.kwargs.get("strict_max", False),
                description=expected.rule.text,
                severity=FailureSeverity(SEVERITY[expected.rule.on_fail]),
                meta={"rule": expected.rule.kind, "on_fail": expected.rule.on_fail, "why": expected.rule.why},
            )
            for expected in judged
        ],
    )
    frame = pd.DataFrame({expected.figure: [_number(expected.value)] for expected in judged})
    result = _batch(table).get_batch({"dataframe": frame}).validate(suite, result_format="BASIC")
    configs = [(outcome.expectation_config, bool(outcome.success)) for outcome in result.results]
    met = {config.description: success for config, success in configs if config is not None}
    return result, [met[expected.rule.text] if expected.applies else True for expected in ranges]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


@cache
def _batch(table: str) -> BatchDefinition[Any]:
    """A frame of figures as Great Expectations sees it, in a project of this process alone: nothing is written."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.filterwarnings("ignore", module="great_expectations")
    import great_expectations
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = great_expectations.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("figures").add_dataframe_asset(table)
    return asset.add_batch_definition_whole_dataframe("partition")


def finding_of(expected: ExpectedRange, success: bool, is_share: bool, schema: str) -> Finding:
    """The rule's finding. is_share: the figure is a share of rows; schema: columns and types that the files have."""
    rule, value = expected.rule, expected.value
    if rule.kind == SCHEMA:
        return Finding(rule, success, "all of the columns" if success else schema)
    if rule.figures:
        unit = "psi" if rule.kind == BINS else "%" if is_share or "_frac " in rule.kwargs["figure"] else ""
        return Finding(rule, success, _compared(expected, unit))
    if value is None:
        return Finding(rule, success, NOT_COUNTED, counted=False)
    if expected.rows is not None:
        rows = f"{expected.rows:,} rows"
        return Finding(rule, success, f"{int(value):,} of {rows} otherwise" if value else f"all of {rows}")
    if expected.figure == ROWS:
        return Finding(rule, success, f"{int(value):,} rows")
    return Finding(rule, success, f"{100 * value:.4g}%" if is_share else f"{value:.4g}")


def _compared(expected: ExpectedRange, unit: str) -> str:
    """A figure and its range: `3, expected 9 to 90, by 4 earlier days`."""
    value, low, high, days = expected.value, expected.low, expected.high, expected.days
    parts = [] if value is None else [_written(value, unit)]
    if value is not None and expected.applies:
        ends = [_written(end, unit) for end in (low, high) if end is not None]
        word = "" if len(ends) == 2 else "at least " if high is None else "at most "
        parts.append(f"expected {word}{' to '.join(ends)}")
        if days:
            parts.append(f"by {days:,} earlier day{'' if days == 1 else 's'}")
    elif days is not None:
        parts.append(f"no history yet ({days:,} earlier days)")
    return ", ".join(parts) or "not stated, nothing to compare"


def _written(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.4g}%"
    if unit == "psi":
        return f"a shift of {value:.3g}"
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
