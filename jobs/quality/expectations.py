"""Expectations of our own, as Great Expectations lets anyone add them: on figures, on their history, between figures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from jobs.quality.precomputed_engine import EVERYTHING, Batch
from models.quality.bands import stability_index, usual_band

WEEK = 7
Found = dict[str, Any]


class BatchFigures(TableMetricProvider):
    """The metric that stands for everything that was counted; jobs.quality.precomputed_engine answers it."""

    metric_name = EVERYTHING

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls: Any, execution_engine: Any, **_: object) -> Batch:
        found: Batch = execution_engine.batch_manager.active_batch_data.dataframe["batch"][0]
        return found


class _FigureExpectation(BatchExpectation):
    """What all of them share: the figure's name, and that a figure which nobody stated is nobody's fault."""

    figure: str
    metric_dependencies = (EVERYTHING,)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: object = None,
    ) -> Found:
        return self.judge(metrics[EVERYTHING])

    @abstractmethod
    def judge(self, batch: Batch) -> Found:
        """Success, and what was found."""


class ExpectFigureToBeBetween(_FigureExpectation):
    """A figure of the partition lies in a range. needed: it must be stated."""

    min_value: float | None = None
    max_value: float | None = None
    needed: bool = False
    success_keys = ("figure", "min_value", "max_value", "needed")

    def judge(self, batch: Batch) -> Found:
        """See the class."""
        value = batch.figures.get(self.figure)
        if value is None:
            return {"success": not self.needed, "result": {}}
        return _within(value, self.min_value, self.max_value)


class ExpectFiguresToBeEqual(_FigureExpectation):
    """Two figures that must be the same, within a share of the other."""

    other: str
    tolerance: float = 0.0
    success_keys = ("figure", "other", "tolerance")

    def judge(self, batch: Batch) -> Found:
        """See the class."""
        value, other = batch.figures.get(self.figure), batch.figures.get(self.other)
        if value is None or other is None:
            return {"success": True, "result": {}}
        slack = self.tolerance * abs(other)
        return _within(value, other - slack, other + slack)


class _AgainstHistory(_FigureExpectation):
    days: int = 28
    min_days: int = 2
    weekday: bool = False

    def before(self, batch: Batch, name: str) -> list[float]:
        """The figure on the earlier days that count, newest first."""
        return [
            figures[name]
            for ago, figures in batch.history
            if ago <= self.days and name in figures and not (self.weekday and ago % WEEK)
        ]


class ExpectFigureToBeNearItsHistory(_AgainstHistory):
    """A figure lies within multiples of the median of earlier days, or within a robust band around it."""

    min_ratio: float | None = None
    max_ratio: float | None = None
    mads: float | None = None
    floor: float = 0.0
    floor_frac: float = 0.0
    success_keys = ("figure", "days", "min_days", "weekday", "min_ratio", "max_ratio", "mads", "floor", "floor_frac")

    def judge(self, batch: Batch) -> Found:
        """See the class."""
        value, before = batch.figures.get(self.figure), self.before(batch, self.figure)
        if value is None or len(before) < self.min_days:
            return _no_history(value, before)
        low, high = usual_band(before, self.min_ratio, self.max_ratio, self.mads, self.floor, self.floor_frac)
        return _within(value, low, high, len(before))


class ExpectBinsToBeAsInTheirHistory(_AgainstHistory):
    """Rows are spread over their bins as on earlier days, by the population stability index."""

    max_psi: float
    success_keys = ("figure", "days", "min_days", "weekday", "max_psi")

    def judge(self, batch: Batch) -> Found:
        """See the class."""
        names = [name for name in batch.figures if name.rpartition(" ")[0] == self.figure]
        days = [
            [figures[name] for name in names]
            for ago, figures in batch.history
            if ago <= self.days
            and names
            and all(name in figures for name in names)
            and not (self.weekday and ago % WEEK)
        ]
        if len(days) < self.min_days:
            return _no_history(None, days)
        psi = stability_index(days, [batch.figures[name] for name in names])
        return _within(psi, None, self.max_psi, len(days))


def _no_history(value: float | None, days: Sequence[object]) -> Found:
    found: Found = {"history_days": len(days)}
    if value is not None:
        found["observed_value"] = value
    return {"success": True, "result": found}


def _within(value: float, low: float | None, high: float | None, days: int | None = None) -> Found:
    success = (low is None or value >= low) and (high is None or value <= high)
    found = {"observed_value": value, "low": low, "high": high, "history_days": days}
    return {"success": success, "result": {k: v for k, v in found.items() if v is not None}}
