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

from jobs.quality.row_columns import DerivedColumn, PartitionFacts

RANKING = ("arm", "query_id")
BATCH_ROWS = 65_536


def distinct_per(column: str, per: str) -> DerivedColumn:
    """Number of different values of `column` in the rows with the same `per`."""
    return DerivedColumn((column, per), None, per=per, of=column)


def rank_gap(of: tuple[str, ...] = RANKING) -> DerivedColumn:
    """Highest rank of a ranking less its number of rows: 0 when unique ranks leave no hole. of: what names a ranking."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        ranks = rows["rank"].to_pandas().groupby(_codes(rows, of))
        gap: pd.Series = ranks.transform("max") - ranks.transform("size")
        return gap.to_numpy()

    return DerivedColumn((*of, "rank"), make, whole="query_id")


def score_rise() -> DerivedColumn:
    """Excess of a score over that of the rank before it: 0 or less in a ranking that is in order."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        frame = pd.DataFrame(
            {"ranking": _codes(rows, RANKING), "rank": rows["rank"].to_pandas(), "score": rows["score"].to_pandas()}
        )
        ordered = frame.sort_values(["ranking", "rank"])
        return ordered.groupby("ranking")["score"].diff().fillna(0.0).sort_index().to_numpy()

    return DerivedColumn((*RANKING, "rank", "score"), make, whole="query_id")


def arms_missing() -> DerivedColumn:
    """Number of the partition's arms that have no ranking for the row's query."""

    def make(rows: pa.Table, facts: PartitionFacts) -> np.ndarray:
        codes = pd.Series(_codes(rows, ["arm"]))
        arms = codes.where(codes > 0)  # 0 is no arm
        per_query = arms.groupby(_codes(rows, ["query_id"])).transform("nunique")
        return ((facts.arms or arms.nunique()) - per_query).to_numpy()

    return DerivedColumn(("arm", "query_id"), make, whole="query_id")


def size(column: str) -> DerivedColumn:
    """Number of values in a list."""
    return DerivedColumn((column,), lambda rows, _: pc.list_value_length(rows[column]))


def size_difference(column: str, other: str) -> DerivedColumn:
    """Excess of a list's length over that of the list beside it."""
    return DerivedColumn(
        (column, other),
        lambda rows, _: pc.subtract(pc.list_value_length(rows[column]), pc.list_value_length(rows[other])),
    )


def repeated(column: str) -> DerivedColumn:
    """Number of values of a list that it has already."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        owner, values = _flat(rows, column)
        again = pd.DataFrame({"owner": owner, "value": values.to_pandas()}).duplicated()
        return np.bincount(owner[again.to_numpy()], minlength=rows.num_rows)

    return DerivedColumn((column,), make)


def extreme(column: str, which: str) -> DerivedColumn:
    """The least (min) or greatest (max) number of a list, not-a-number counting as infinite; null when it is empty."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        owner, values = _flat(rows, column)
        floats = np.nan_to_num(values.to_numpy(zero_copy_only=False).astype(np.float64), nan=np.inf)
        return pd.Series(floats).groupby(owner).agg(which).reindex(np.arange(rows.num_rows)).to_numpy()

    return DerivedColumn((column,), make)


def norm(column: str) -> DerivedColumn:
    """Euclidean length of a vector; infinite where a component is not a number."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        squares = _sums(rows, column, lambda floats, place: floats * floats)
        lengths: np.ndarray = np.nan_to_num(np.sqrt(squares), nan=np.inf)
        return lengths

    return DerivedColumn((column,), make)


def dim_difference(column: str) -> DerivedColumn:
    """Dimensions of a vector less those that the manifest's facts state."""
    return DerivedColumn(
        (column,), lambda rows, facts: pc.subtract(pc.list_value_length(rows[column]), pa.scalar(facts.dim, pa.int32()))
    )


def fingerprint(column: str) -> DerivedColumn:
    """A number that equal vectors share and others practically never do."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        direction = np.random.default_rng(0).standard_normal(1 << 14)
        along = _sums(rows, column, lambda floats, place: floats * direction[place])
        sizes = pc.list_value_length(rows[column]).to_numpy()
        prints: np.ndarray = np.nan_to_num(along, nan=np.inf) + sizes
        return prints

    return DerivedColumn((column,), make)


def _sums(rows: pa.Table, column: str, term: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Sum of term(values, places in their list) for each row's list, by batches: embeddings are large."""
    sums: list[np.ndarray] = [np.zeros(0)]
    for batch in rows.select([column]).to_batches(max_chunksize=BATCH_ROWS):
        lists = batch.column(0)
        owner = pc.list_parent_indices(lists).to_numpy()
        values = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float64)
        place = np.arange(len(owner)) - np.searchsorted(owner, np.arange(len(lists)))[owner]
        sums.append(np.bincount(owner, weights=term(values, place), minlength=len(lists)))
    return np.concatenate(sums)


def _codes(rows: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """One number for each different combination of values: grouping by numbers is far cheaper than by texts."""
    codes = np.zeros(rows.num_rows, np.int64)
    for column in columns:
        encoded = rows[column].combine_chunks().dictionary_encode()
        ids = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * (len(encoded.dictionary) + 1) + ids + 1
    return codes


def _flat(rows: pa.Table, column: str) -> tuple[np.ndarray, Any]:
    """Values of all lists in one array, and the row that each belongs to."""
    lists = rows[column].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)
