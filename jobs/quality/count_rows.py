"""Rows counted batch by batch: nulls, sums, rows that break a condition, bins.

A log is sorted by search, so the texts and times of a search come in runs: each run is looked at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.quality.hash_keys import nulls, words
from jobs.quality.metrics import Metric
from jobs.quality.row_columns import DerivedColumn, PartitionFacts


class BatchView:
    """A batch of rows as the metrics see it: the table's columns and derived ones, texts by runs.

    runs [R]: the number of rows of each value; None: one each.
    """

    def __init__(self, rows: pa.Table, derived: Mapping[str, DerivedColumn], facts: PartitionFacts) -> None:
        self.rows = rows
        self.derived = derived
        self.facts = facts
        self._runs: dict[str, tuple[Any, np.ndarray]] = {}
        self._words: dict[str, np.ndarray] = {}
        self._columns: dict[str, tuple[Any, np.ndarray | None]] = {}

    def column(self, name: str) -> tuple[Any, np.ndarray | None]:
        """Values, and the number of rows of each."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    def words(self, name: str, seed: int) -> np.ndarray:
        """One 64-bit word for each row's value."""
        if name not in self._words:
            values, runs = self.column(name)
            hashed = words(values, seed)
            self._words[name] = hashed if runs is None else np.repeat(hashed, runs)
        return self._words[name]

    def given(self, name: str) -> np.ndarray | bool:
        """Mask of the rows with a value; True where every row has one."""
        values, runs = self.column(name)
        if not values.null_count:
            return True
        return ~(nulls(values) if runs is None else np.repeat(nulls(values), runs))

    def whole(self, name: str) -> Any:
        """Values, one for each row."""
        return self.rows[name] if name in self.rows.column_names else self._made(name, self.rows)

    def _column(self, name: str) -> tuple[Any, np.ndarray | None]:
        reads = (name,) if name in self.rows.column_names else self.derived[name].reads
        kind = self.rows[reads[0]].type
        if len(reads) == 1 and (pa.types.is_string(kind) or pa.types.is_timestamp(kind)):
            values, runs = self._run(reads[0])
            if name == reads[0]:
                return values, runs
            return self._made(name, pa.table({name: values for name in reads})), runs
        return _number(self.whole(name)), None

    def _run(self, name: str) -> tuple[Any, np.ndarray]:
        if name not in self._runs:
            encode: Any = pc.call_function
            encoded = encode("run_end_encode", [self.rows[name].combine_chunks()])
            ends = encoded.run_ends.to_numpy()
            self._runs[name] = encoded.values, np.diff(ends, prepend=0)
        return self._runs[name]

    def _made(self, name: str, rows: pa.Table) -> Any:
        make = self.derived[name].make
        if make is None:
            raise LookupError(f"{name}: it is counted by groups (jobs.quality.count_keys); no column is made of it")
        values = make(rows, self.facts)
        return _number(values if isinstance(values, pa.ChunkedArray) else pa.array(values))


def _number(values: Any) -> Any:
    """Non-numeric values count as null; the null check reports them."""
    if pa.types.is_floating(values.type) and values.type != pa.float16():
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def tally(metric: Metric, view: BatchView) -> Any:
    """Count one metric in a batch: a number, or an array of one number for each bin."""
    if metric.kind == "rows":
        return view.rows.num_rows
    if metric.kind == "column_pair_values.a_greater_than_b":
        greater = pc.greater_equal if metric.kwargs.get("or_equal") else pc.greater
        return _weigh(_not(greater(*(view.whole(name) for name in metric.columns))), None)
    values, runs = view.column(metric.columns[0])
    if metric.kind == "null":
        return _weigh(pc.is_null(values), runs) if values.null_count else 0
    if metric.kind in ("sum", "mean"):
        return _sum(values, runs)
    if metric.kind == "bins":
        return bins(values, runs, metric)
    return _weigh(unexpected(metric, values), runs)


def unexpected(metric: Metric, values: Any) -> Any:
    """Mask of the values that break the condition; a null breaks none."""
    limits = metric.kwargs
    if metric.kind == "column_values.match_regex":
        return _not(pc.match_substring_regex(values, limits["regex"]))
    if metric.kind == "column_values.in_set":
        known = pa.array(limits["value_set"]).cast(values.type)
        return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, known)))
    fits = [pc.is_valid(values)]
    if (least := limits.get("min_value")) is not None:
        fits.append((pc.greater if limits.get("strict_min") else pc.greater_equal)(values, least))
    if (most := limits.get("max_value")) is not None:
        fits.append((pc.less if limits.get("strict_max") else pc.less_equal)(values, most))
    return _not(fits[-1] if len(fits) < 3 else pc.and_(*fits[1:]))


def bins(values: Any, runs: np.ndarray | None, metric: Metric) -> np.ndarray:
    """Rows in each bin: between edges, or by a checksum of the text, which reveals nothing of it."""
    given = pc.is_valid(values).to_numpy(zero_copy_only=False)
    if edges := metric.kwargs.get("edges"):
        numbers = pc.fill_null(values, edges[0]).to_numpy(zero_copy_only=False)
        place = np.searchsorted(edges, numbers, side="right")
        size = len(edges) + 1
    else:
        size = int(metric.kwargs["hashed"])
        coded: Any = values.dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        of = [zlib.crc32((text or "").encode()) % size for text in coded.dictionary.to_pylist()]
        place = np.array([*of, 0])[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    weights = given if runs is None else runs * given
    return np.bincount(place, weights=weights, minlength=size).astype(np.int64)


def _not(mask: Any) -> Any:
    return pc.fill_null(pc.invert(mask), False)


def _weigh(mask: Any, runs: np.ndarray | None) -> int:
    if runs is None:
        return int(pc.sum(mask).as_py() or 0)
    return int(runs[mask.to_numpy(zero_copy_only=False)].sum())


def _sum(values: Any, runs: np.ndarray | None) -> int | float:
    if runs is not None:
        values = pc.multiply(pc.cast(values, pa.int64()), pa.array(runs))
    total: int | float = pc.sum(values).as_py() or 0
    return total
