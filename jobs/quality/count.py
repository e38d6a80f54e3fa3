"""A partition's figures: every metric of its rules in one pass over its files.

Batches are counted side by side while the next are read. Memory is a few batches, and 8 bytes a row for each key that must
be unique. jobs.quality.count_spark runs the same functions on a cluster.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.lake.read import Pinned, read_table, record_batches
from jobs.quality.count_keys import by_keys, collect, figure_of_keys, grouped
from jobs.quality.count_rows import BatchView, tally
from jobs.quality.count_vectors import VectorSums
from jobs.quality.derived_columns import DERIVED, columns_read, facts_of
from jobs.quality.metrics import ROWS, UNIQUE, Metric
from jobs.quality.references import RELATED, partner_keys, related
from jobs.quality.row_columns import DerivedColumn

BATCH_ROWS = 65_536
Figures = dict[str, float]


@dataclass
class PartialCounts:
    """The counts of some of the rows. keys: hashes of rows, from which a figure follows once all rows are there."""

    sums: dict[Metric, Any] = field(default_factory=dict)
    keys: dict[Metric, list[np.ndarray]] = field(default_factory=dict)
    vectors: dict[Metric, VectorSums] = field(default_factory=dict)

    def add(self, other: PartialCounts) -> None:
        """Add the counts of other rows."""
        for metric, value in other.sums.items():
            self.sums[metric] = self.sums.get(metric, 0) + value
        for metric, parts in other.keys.items():
            self.keys.setdefault(metric, []).extend(parts)
        for metric, sums in other.vectors.items():
            self.vectors[metric] = sums.joined(self.vectors.get(metric))


@dataclass(frozen=True)
class CountPlan:
    """The metrics to count in a partition. seed: of the hashes."""

    pinned: Pinned
    metrics: tuple[Metric, ...]
    seed: int = 0

    @property
    def derived(self) -> dict[str, DerivedColumn]:
        """The table's derived columns."""
        return DERIVED.get(self.pinned.partition.name, {})

    def columns(self, metrics: Sequence[Metric]) -> list[str]:
        """The columns of the files that these metrics need."""
        table = self.pinned.partition.name
        return list(dict.fromkeys(column for metric in metrics for column in columns_read(table, metric)))

    def streamed(self) -> list[Metric]:
        """The metrics that batches of rows answer."""
        return [metric for metric in self.metrics if not self._is_whole(metric)]

    def whole(self) -> list[Metric]:
        """The metrics of columns whose values follow from other rows too."""
        return [metric for metric in self.metrics if self._is_whole(metric)]

    def _is_whole(self, metric: Metric) -> bool:
        return any(name in self.derived and self.derived[name].whole for name in metric.columns)


def figures_here(plan: CountPlan) -> Figures:
    """Name -> figure, counted on this machine."""
    total = PartialCounts()
    for part in _parts(plan, plan.streamed()):
        total.add(part)
    if whole := plan.whole():
        rows = read_table(plan.pinned, columns=plan.columns(whole))
        total.add(count_batch(plan, whole, rows))
    figures = _figures(plan, total)
    # two values may share a hash, but not two hashes
    return figures | confirmed(plan, figures, figures_here)


def confirmed(plan: CountPlan, figures: Figures, count: Callable[[CountPlan], Figures]) -> Figures:
    """Figures of duplicates, counted once more with other hashes: different values seldom share two."""
    doubled = tuple(metric for metric in plan.metrics if metric.kind in UNIQUE and figures[metric.name])
    if not doubled or plan.seed:
        return {}
    again = count(CountPlan(plan.pinned, doubled, seed=1))
    return {metric.name: min(figures[metric.name], again[metric.name]) for metric in doubled}


def _parts(plan: CountPlan, metrics: Sequence[Metric]) -> Iterator[PartialCounts]:
    """The counts of each batch, in their order; a batch is read while others are counted."""
    columns = plan.columns(metrics)
    if not columns:  # only the number of rows is asked for
        yield PartialCounts({Metric(ROWS): plan.pinned.manifest.rows})
        return
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[PartialCounts]] = deque()
        for batch in record_batches(plan.pinned, columns, BATCH_ROWS):
            if len(waiting) > workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(count_batch, plan, metrics, pa.Table.from_batches([batch])))
        yield from (future.result() for future in waiting)


def count_batch(plan: CountPlan, metrics: Sequence[Metric], rows: pa.Table, arms: int = 0) -> PartialCounts:
    """Count the metrics in some rows. arms: see PartitionFacts."""
    facts = facts_of(plan.pinned, arms)
    view = BatchView(rows, plan.derived, facts)
    counts = PartialCounts()
    for metric in metrics:
        if metric.kind == "vectors":
            counts.vectors[metric] = VectorSums.of(rows[metric.columns[0]])
        elif by_keys(metric, plan.derived):
            counts.keys[metric] = [collect(metric, view, plan.seed)]
        elif not grouped(metric, plan.derived):
            counts.sums[metric] = tally(metric, view)
    return counts


def _figures(plan: CountPlan, total: PartialCounts) -> Figures:
    """The figures of all rows."""
    for metric in plan.metrics:
        if by_keys(metric, plan.derived):
            theirs = partner_keys(plan.pinned, metric, plan.seed) if metric.kind in RELATED else None
            total.sums[metric] = resolve_keys(plan, metric, total.keys.get(metric, []), theirs)
    return named_figures(plan, total)


def resolve_keys(plan: CountPlan, metric: Metric, parts: list[np.ndarray], theirs: np.ndarray | None) -> int:
    """The figure that hashes of rows add up to. theirs: keys of the other table, for a metric between tables."""
    if metric.kind in RELATED:
        nothing = np.zeros(0, np.uint64)
        return related(metric, np.concatenate(parts or [nothing]), nothing if theirs is None else theirs)
    return figure_of_keys(metric, parts, plan.derived)


def named_figures(plan: CountPlan, total: PartialCounts) -> Figures:
    """Name -> figure; a mean of no values is left out."""
    figures: Figures = {}
    for metric in plan.metrics:
        if metric.kind == "vectors":
            if sums := total.vectors.get(metric):
                figures |= {f"{metric.name} {name}": value for name, value in sums.figures().items()}
        elif metric.kind == "bins":
            figures |= {f"{metric.name} {n}": int(size) for n, size in enumerate(total.sums.get(metric, ()))}
        else:
            figures[metric.name] = total.sums.get(metric, 0)
    for metric in plan.metrics:
        if metric.kind == "mean":
            given = figures[ROWS] - figures[f"null {metric.columns[0]}"]
            added = figures.pop(metric.name)
            if given:
                figures[metric.name] = added / given
    return figures
