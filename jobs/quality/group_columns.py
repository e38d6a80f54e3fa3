"""Columns that a check needs and the table does not have, made of many values: of a group of rows, or of a list.

A figure that is not a number becomes infinite, since a check skips what is null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.quality.row_columns import Derived, Known

RANKING = ("arm", "query_id")
BATCH_ROWS = 65_536


def distinct_per(column: str, per: str) -> Derived:
    """How many different values of `column` the rows with the same `per` have."""
    return Derived((column, per), "", None, per=per, of=column)


def rank_gap() -> Derived:
    """Highest rank of a ranking less its number of rows: 0 when unique ranks leave no hole."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        ranks = _pandas(rows, "rank").groupby(_codes(rows, RANKING))
        gap: pd.Series = ranks.transform("max") - ranks.transform("size")
        return gap.to_numpy()

    per = f"OVER (PARTITION BY {', '.join(RANKING)})"
    return Derived((*RANKING, "rank"), f"MAX(rank) {per} - COUNT(1) {per}", arrow, whole=True)


def score_rise() -> Derived:
    """How much a score exceeds that of the rank before it: 0 or less in a ranking that is in order."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        frame = pd.DataFrame(
            {"ranking": _codes(rows, RANKING), "rank": _pandas(rows, "rank"), "score": _pandas(rows, "score")}
        )
        ordered = frame.sort_values(["ranking", "rank"])
        return ordered.groupby("ranking")["score"].diff().fillna(0.0).sort_index().to_numpy()

    per = f"OVER (PARTITION BY {', '.join(RANKING)} ORDER BY rank)"
    return Derived((*RANKING, "rank", "score"), f"COALESCE(score - LAG(score) {per}, 0D)", arrow, whole=True)


def arms_missing() -> Derived:
    """How many of the partition's arms have no ranking for the row's query."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        codes = pd.Series(_codes(rows, ["arm"]))
        arms = codes.where(codes > 0)  # 0 is no arm
        per_query = arms.groupby(_codes(rows, ["query_id"])).transform("nunique")
        return (arms.nunique() - per_query).to_numpy()

    all_arms = "(SELECT COUNT(DISTINCT arm) FROM checked)"
    per_query = "SIZE(COLLECT_SET(arm) OVER (PARTITION BY query_id))"
    return Derived(("arm", "query_id"), f"{all_arms} - {per_query}", arrow, whole=True)


def size(column: str) -> Derived:
    """Number of values in a list."""
    return Derived((column,), f"SIZE({column})", lambda rows, _: pc.list_value_length(rows[column]))


def size_difference(column: str, other: str) -> Derived:
    """How many values one list has more than another that should run beside it."""
    return Derived(
        (column, other),
        f"SIZE({column}) - SIZE({other})",
        lambda rows, _: pc.subtract(pc.list_value_length(rows[column]), pc.list_value_length(rows[other])),
    )


def repeated(column: str) -> Derived:
    """How many values of a list stand in it already."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        owner, values = _flat(rows, column)
        again = pd.DataFrame({"owner": owner, "value": values.to_pandas()}).duplicated()
        return np.bincount(owner[again.to_numpy()], minlength=rows.num_rows)

    return Derived((column,), f"COALESCE(SIZE({column}) - SIZE(ARRAY_DISTINCT({column})), 0)", arrow)


def lowest(column: str) -> Derived:
    """The least number of a list; null when it is empty."""
    return Derived((column,), f"ARRAY_MIN({column})", lambda rows, _: _extreme(rows, column, "min"))


def highest(column: str) -> Derived:
    """The greatest number of a list, not-a-number counting as infinite; null when it is empty."""
    return Derived((column,), f"ARRAY_MAX({column})", lambda rows, _: _extreme(rows, column, "max"))


def norm(column: str) -> Derived:
    """Euclidean length of a vector; infinite where a component is not a number."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        squares = _sums(rows, column, lambda floats, place: floats * floats)
        lengths: np.ndarray = np.nan_to_num(np.sqrt(squares), nan=np.inf)
        return lengths

    return Derived((column,), f"SQRT(AGGREGATE({column}, 0D, (s, x) -> s + x * x))", arrow)


def dim_difference(column: str) -> Derived:
    """Dimensions that a vector has more than the manifest's facts state."""
    return Derived(
        (column,),
        f"SIZE({column}) - known_dim",
        lambda rows, known: pc.subtract(pc.list_value_length(rows[column]), known.dim),
    )


def fingerprint(column: str) -> Derived:
    """A number that equal vectors share and others practically never do."""

    def arrow(rows: pa.Table, known: Known) -> np.ndarray:
        direction = np.random.default_rng(0).standard_normal(1 << 14)
        along = _sums(rows, column, lambda floats, place: floats * direction[place])
        sizes = pc.list_value_length(rows[column]).to_numpy()
        found: np.ndarray = np.nan_to_num(along, nan=np.inf) + sizes
        return found

    return Derived((column,), f"XXHASH64({column})", arrow)


def _sums(rows: pa.Table, column: str, term: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Sum of term(values, places in their list) for each row's list, by batches: embeddings are large."""
    found: list[np.ndarray] = [np.zeros(0)]
    for batch in rows.select([column]).to_batches(max_chunksize=BATCH_ROWS):
        lists = batch.column(0)
        owner = pc.list_parent_indices(lists).to_numpy()
        values = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float64)
        place = np.arange(len(owner)) - np.searchsorted(owner, np.arange(len(lists)))[owner]
        found.append(np.bincount(owner, weights=term(values, place), minlength=len(lists)))
    return np.concatenate(found)


def _pandas(rows: pa.Table, column: str) -> pd.Series:
    return rows[column].to_pandas()


def _codes(rows: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """One number for each different combination of values: grouping by numbers is far cheaper than by texts."""
    codes = np.zeros(rows.num_rows, np.int64)
    for column in columns:
        found = rows[column].combine_chunks().dictionary_encode()
        ids = found.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * (len(found.dictionary) + 1) + ids + 1
    return codes


def _flat(rows: pa.Table, column: str) -> tuple[np.ndarray, Any]:
    """Values of all lists in one array, and the row that each belongs to."""
    lists = rows[column].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)


def _extreme(rows: pa.Table, column: str, which: str) -> np.ndarray:
    owner, values = _flat(rows, column)
    floats = np.nan_to_num(values.to_numpy(zero_copy_only=False).astype(np.float64), nan=np.inf)
    found = pd.Series(floats).groupby(owner).agg(which)
    return found.reindex(np.arange(rows.num_rows)).to_numpy()
