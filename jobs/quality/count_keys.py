"""Metrics that follow from many rows at once, counted by hashes: duplicate keys, different values, groups that disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.quality.count_rows import BatchView, unexpected
from jobs.quality.hash_keys import nulls, words
from jobs.quality.metrics import UNIQUE, Metric
from jobs.quality.references import RELATED
from jobs.quality.row_columns import DerivedColumn
from models.quality.hashes import NULL, mix, start


def by_keys(metric: Metric, derived: Mapping[str, DerivedColumn]) -> bool:
    """Whether the metric needs the keys of all rows."""
    if metric.kind in (*UNIQUE, *RELATED, "distinct"):
        return True
    return grouped(metric, derived) is not None and metric.kind != "null"


def grouped(metric: Metric, derived: Mapping[str, DerivedColumn]) -> DerivedColumn | None:
    """The metric's derived column, where that is counted by groups."""
    column = derived.get(metric.columns[0]) if metric.columns else None
    return column if column is not None and column.per else None


def collect(metric: Metric, view: BatchView, seed: int) -> np.ndarray:
    """Hashes of a batch: [N] of keys, or [R, 3] of runs of rows: group, value, number of rows."""
    if column := grouped(metric, view.derived):
        return _runs(view, column, seed)
    if metric.kind == "distinct":  # a run of equal values counts once
        values, _ = view.column(metric.columns[0])
        hashes = words(values, seed)
        return hashes[~nulls(values)] if values.null_count else hashes
    hashes = start(view.rows.num_rows, seed)
    some = np.zeros(view.rows.num_rows, bool)
    for name in metric.columns:
        hashes = mix(hashes, view.words(name, seed))
        some |= view.given(name)
    return hashes if some.all() else hashes[some]


def _runs(view: BatchView, column: DerivedColumn, seed: int) -> np.ndarray:
    groups, values = view.words(column.per, seed), view.words(column.of, seed)
    new = np.ones(len(groups), bool)
    new[1:] = (groups[1:] != groups[:-1]) | (values[1:] != values[:-1])
    at = np.flatnonzero(new)
    rows = np.diff(at, append=len(groups)).astype(np.uint64)
    return np.stack([groups[at], values[at], rows], axis=1)


def figure_of_keys(metric: Metric, parts: list[np.ndarray], derived: Mapping[str, DerivedColumn]) -> int:
    """The figure, from the hashes of all batches."""
    if grouped(metric, derived):
        return _disagreeing(metric, np.concatenate(parts or [np.zeros((0, 3), np.uint64)]))
    keys = np.concatenate(parts or [np.zeros(0, np.uint64)])
    keys.sort()
    same = keys[1:] == keys[:-1]
    if metric.kind == "distinct":
        return len(keys) - int(same.sum())
    return int((np.append(same, False) | np.insert(same, 0, False)).sum())


def _disagreeing(metric: Metric, runs: np.ndarray) -> int:
    """Rows of the groups whose number of different values is not as expected."""
    runs = runs[np.lexsort((runs[:, 1], runs[:, 0]))]
    first = np.ones(len(runs), bool)
    first[1:] = runs[1:, 0] != runs[:-1, 0]
    fresh = first.copy()
    fresh[1:] |= runs[1:, 1] != runs[:-1, 1]
    fresh &= runs[:, 1] != NULL  # no value is no other value
    group = np.cumsum(first) - 1
    values = np.bincount(group, weights=fresh) if len(runs) else np.zeros(0)
    rows = np.bincount(group, weights=runs[:, 2]) if len(runs) else np.zeros(0)
    wrong: Any = unexpected(metric, pa.array(values.astype(np.int64)))
    return int(rows[wrong.to_numpy(zero_copy_only=False)].sum())
