"""What follows from many rows at once, counted by hashes: doubled keys, different values, groups that disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.quality.count_rows import View, unexpected
from jobs.quality.hash_keys import nulls, words
from jobs.quality.metrics import UNIQUE, Count
from jobs.quality.references import RELATED
from jobs.quality.row_columns import Derived
from models.quality.hashes import NULL, mix, start


def by_keys(count: Count, derived: Mapping[str, Derived]) -> bool:
    """Whether the count needs the keys of all rows."""
    if count.kind in (*UNIQUE, *RELATED, "distinct"):
        return True
    return grouped(count, derived) is not None and count.kind != "null"


def grouped(count: Count, derived: Mapping[str, Derived]) -> Derived | None:
    """The derived column that is counted by groups, where it is one."""
    one = derived.get(count.columns[0]) if count.columns else None
    return one if one is not None and one.per else None


def collect(count: Count, view: View, seed: int) -> np.ndarray:
    """Hashes of a batch: [N] of keys, or [R, 3] of runs of rows: group, value, how many rows."""
    if one := grouped(count, view.derived):
        return _runs(view, one, seed)
    if count.kind == "distinct":  # a run of equal values counts once
        values, _ = view.column(count.columns[0])
        found = words(values, seed)
        return found[~nulls(values)] if values.null_count else found
    hashes = start(view.rows.num_rows, seed)
    some = np.zeros(view.rows.num_rows, bool)
    for name in count.columns:
        hashes = mix(hashes, view.words(name, seed))
        some |= view.given(name)
    return hashes if some.all() else hashes[some]


def _runs(view: View, one: Derived, seed: int) -> np.ndarray:
    groups, values = view.words(one.per, seed), view.words(one.of, seed)
    new = np.ones(len(groups), bool)
    new[1:] = (groups[1:] != groups[:-1]) | (values[1:] != values[:-1])
    at = np.flatnonzero(new)
    rows = np.diff(at, append=len(groups)).astype(np.uint64)
    return np.stack([groups[at], values[at], rows], axis=1)


def answer(count: Count, parts: list[np.ndarray], derived: Mapping[str, Derived]) -> int:
    """The figure, from the hashes of all batches."""
    if grouped(count, derived):
        return _disagreeing(count, np.concatenate(parts or [np.zeros((0, 3), np.uint64)]))
    keys = np.concatenate(parts or [np.zeros(0, np.uint64)])
    keys.sort()
    same = keys[1:] == keys[:-1]
    if count.kind == "distinct":
        return len(keys) - int(same.sum())
    return int((np.append(same, False) | np.insert(same, 0, False)).sum())


def _disagreeing(count: Count, runs: np.ndarray) -> int:
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
    wrong: Any = unexpected(count, pa.array(values.astype(np.int64)))
    return int(rows[wrong.to_numpy(zero_copy_only=False)].sum())
