"""Great Expectations on figures: it asks for its metrics as ever, and finds each counted already.

Its own engines would read the table once for every other metric; here the table was read once for all. What is expected,
what fails and how badly stays its own affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from great_expectations.datasource.fluent.pandas_datasource import PandasDatasource
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

from jobs.quality.metrics import ROWS, columns_of, count_of

EVERYTHING = "table.figures"
# what says where a metric looks, not what it looks for
_DOMAIN = {"batch_id", "table", "row_condition", "condition_parser", "ignore_row_if"}


@dataclass(frozen=True)
class Batch:
    """A partition as figures; history: (days ago, figures) of earlier days that did not stop, newest first."""

    figures: Mapping[str, float]
    history: Sequence[tuple[int, Mapping[str, float]]] = ()

    def frame(self) -> pd.DataFrame:
        """What a checkpoint is given in the place of a table."""
        return pd.DataFrame({"batch": [self]})


class CountedEngine(PandasExecutionEngine):
    """Answers every metric from the figures of the batch; what was not counted is None, and fails."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[Any, Any] | None = None,
    ) -> dict[Any, Any]:
        """Great Expectations' own entry to an engine."""
        data: Any = self.batch_manager.active_batch_data
        batch: Batch = data.dataframe["batch"][0]
        return {
            one.id: _answer(batch, one.metric_name, {**one.metric_domain_kwargs, **one.metric_value_kwargs})
            for one in metrics_to_resolve
        }


def _answer(batch: Batch, metric: str, kwargs: dict[str, Any]) -> Any:
    """One metric. The values that failed are never counted, so there are none to show."""
    figures, columns = batch.figures, columns_of(kwargs)
    name, _, wanted = metric.rpartition(".")
    if metric == EVERYTHING:
        return batch
    if metric == "table.row_count" or wanted == "filtered_row_count":
        return figures[ROWS]
    if metric == "column.mean":
        return figures.get(f"mean {columns[0]}")
    if metric == "column.distinct_values.count":
        return figures.get(f"distinct {columns[0]}")
    if metric == "column.unique_proportion":
        return _unique_frac(figures, columns[0])
    if wanted == "unexpected_count":
        said = {key: value for key, value in kwargs.items() if key not in _DOMAIN}
        return figures.get(count_of(name, columns, said).name)
    return []  # conditions, columns and the values that failed: nobody needs them


def _unique_frac(figures: Mapping[str, float], column: str) -> float | None:
    given = figures[ROWS] - figures.get(f"null {column}", figures[ROWS])
    return figures[f"distinct {column}"] / given if given else None


PandasDatasource.execution_engine_override = CountedEngine  # type: ignore[misc]
