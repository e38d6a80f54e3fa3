"""Rows counted batch by batch: nulls, sums, rows that are not as expected, bins.

A log is sorted by search, so the texts and times of a search stand in runs: each is looked at once for a run, not for a row.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.quality.hash_keys import nulls, words
from jobs.quality.metrics import Count
from jobs.quality.row_columns import Derived, Known


class View:
    """A batch of rows as the counts see it: columns of the table and derived ones, texts by runs.

    runs  [R] how many rows each value stands for; None: one
    """

    def __init__(self, rows: pa.Table, derived: Mapping[str, Derived], known: Known) -> None:
        self.rows = rows
        self.derived = derived
        self.known = known
        self._runs: dict[str, tuple[Any, np.ndarray]] = {}
        self._words: dict[str, np.ndarray] = {}
        self._columns: dict[str, tuple[Any, np.ndarray | None]] = {}

    def column(self, name: str) -> tuple[Any, np.ndarray | None]:
        """Values and how many rows each stands for."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    def words(self, name: str, seed: int) -> np.ndarray:
        """One 64-bit word for each row's value."""
        if name not in self._words:
            values, runs = self.column(name)
            found = words(values, seed)
            self._words[name] = found if runs is None else np.repeat(found, runs)
        return self._words[name]

    def given(self, name: str) -> np.ndarray | bool:
        """Where there is a value; True where there is one in every row."""
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
        make = self.derived[name].arrow
        if make is None:
            raise LookupError(f"{name}: counted by groups (jobs.quality.count_keys), no column is made of it")
        values = make(rows, self.known)
        return _number(values if isinstance(values, pa.ChunkedArray) else pa.array(values))


def _number(values: Any) -> Any:
    """What is not a number is no value: a null, and found by who asks for nulls."""
    if pa.types.is_floating(values.type) and values.type != pa.float16():
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def tally(count: Count, view: View) -> Any:
    """What a batch adds to a figure: a number, or an array of one number for each bin."""
    if count.kind == "rows":
        return view.rows.num_rows
    if count.kind == "column_pair_values.a_greater_than_b":
        a, b = (view.whole(name) for name in count.columns)
        return _weigh(_not(_pair(count, a, b)), None)
    values, runs = view.column(count.columns[0])
    if count.kind == "null":
        return _weigh(pc.is_null(values), runs) if values.null_count else 0
    if count.kind in ("sum", "mean"):
        return _sum(values, runs)
    if count.kind == "bins":
        return bins(values, runs, count)
    return _weigh(unexpected(count, values), runs)


def unexpected(count: Count, values: Any) -> Any:
    """Which values are not as expected; a null is neither."""
    said = count.kwargs
    if count.kind == "column_values.match_regex":
        return _not(pc.match_substring_regex(values, said["regex"]))
    if count.kind == "column_values.in_set":
        known = pa.array(said["value_set"]).cast(values.type)
        return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, known)))
    fits = [pc.is_valid(values)]
    if (least := said.get("min_value")) is not None:
        fits.append((pc.greater if said.get("strict_min") else pc.greater_equal)(values, least))
    if (most := said.get("max_value")) is not None:
        fits.append((pc.less if said.get("strict_max") else pc.less_equal)(values, most))
    found = fits[-1] if len(fits) < 3 else pc.and_(*fits[1:])
    return _not(found)


def bins(values: Any, runs: np.ndarray | None, count: Count) -> np.ndarray:
    """Rows in each bin: between edges, or by a checksum of the text, which tells nothing of it."""
    given = pc.is_valid(values).to_numpy(zero_copy_only=False)
    if edges := count.kwargs.get("edges"):
        numbers = pc.fill_null(values, edges[0]).to_numpy(zero_copy_only=False)
        place = np.searchsorted(edges, numbers, side="right")
        size = len(edges) + 1
    else:
        size = int(count.kwargs["hashed"])
        coded: Any = values.dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        of = [zlib.crc32((text or "").encode()) % size for text in coded.dictionary.to_pylist()]
        place = np.array([*of, 0])[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    weights = given if runs is None else runs * given
    return np.bincount(place, weights=weights, minlength=size).astype(np.int64)


def _pair(count: Count, a: Any, b: Any) -> Any:
    return (pc.greater_equal if count.kwargs.get("or_equal") else pc.greater)(a, b)


def _not(mask: Any) -> Any:
    return pc.fill_null(pc.invert(mask), False)


def _weigh(mask: Any, runs: np.ndarray | None) -> int:
    if runs is None:
        return int(pc.sum(mask).as_py() or 0)
    return int(runs[mask.to_numpy(zero_copy_only=False)].sum())


def _sum(values: Any, runs: np.ndarray | None) -> int | float:
    if runs is not None:
        values = pc.multiply(pc.cast(values, pa.int64()), pa.array(runs))
    found: int | float = pc.sum(values).as_py() or 0
    return found
