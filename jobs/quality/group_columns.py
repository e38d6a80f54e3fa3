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
# arms of recommendations that know nothing of some items
PARTIAL = ("knn", "rules", "rrf", "content", "via_popular", "prod2vec", "co_click")
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


def ordinal_gap() -> DerivedColumn:
    """Places that a session's ordinals leave open between the first and the last: 0 where none is missing or twice."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        ordinals = rows["ordinal"].to_pandas().groupby(_codes(rows, ["session_id"]))
        gap: pd.Series = ordinals.transform("max") - ordinals.transform("min") + 1 - ordinals.transform("nunique")
        twice: pd.Series = ordinals.transform("size") - ordinals.transform("nunique")
        return (gap.abs() + twice).to_numpy()

    return DerivedColumn(("session_id", "ordinal"), make, whole="session_id")


def seconds_back() -> DerivedColumn:
    """Seconds by which an event is earlier than the one before it in its session: 0 or less where they are in order."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        frame = pd.DataFrame(
            {
                "session": _codes(rows, ["session_id"]),
                "ordinal": rows["ordinal"].to_pandas(),
                "at": pc.cast(rows["occurred_at"], pa.int64()).to_pandas() / 1e6,
            }
        )
        steps = frame.sort_values(["session", "ordinal"]).groupby("session")["at"].diff().fillna(0.0)
        return -steps.sort_index().to_numpy()

    return DerivedColumn(("session_id", "ordinal", "occurred_at"), make, whole="session_id")


def session_length() -> DerivedColumn:
    """Number of events in the row's session."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        ordinals = rows["ordinal"].to_pandas().groupby(_codes(rows, ["session_id"]))
        return ordinals.transform("size").to_numpy()

    return DerivedColumn(("session_id", "ordinal"), make, whole="session_id")


def ends_with(column: str, other: str) -> DerivedColumn:
    """1 where the last value of a list is that of another column, else 0."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        owner, values = _flat(rows, column)
        last = pd.Series(values.to_pandas()).groupby(owner).last().reindex(np.arange(rows.num_rows))
        return (last == rows[other].to_pandas()).to_numpy().astype(np.int64)

    return DerivedColumn((column, other), make)


def arms_missing() -> DerivedColumn:
    """Number of the partition's arms that have no ranking for the row's query; those of PARTIAL need none."""

    def make(rows: pa.Table, facts: PartitionFacts) -> np.ndarray:
        codes = pd.Series(_codes(rows, ["arm"]))
        asked = ~rows["arm"].to_pandas().isin(PARTIAL)
        arms = codes.where((codes > 0) & asked)  # 0 is no arm
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


def holds(column: str, value: str) -> DerivedColumn:
    """Number of values of a list that are the row's own value of another column."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        owner, values = _flat(rows, column)
        own = rows[value].combine_chunks().take(pa.array(owner))
        hit = pc.equal(values, own).fill_null(False).to_numpy(zero_copy_only=False)
        return np.bincount(owner[hit], minlength=rows.num_rows)

    return DerivedColumn((column, value), make)


def rise(column: str) -> DerivedColumn:
    """The greatest excess of a number of a list over the one before it: 0 or less in a list that falls."""

    def make(rows: pa.Table, _: PartitionFacts) -> np.ndarray:
        owner, values = _flat(rows, column)
        steps = np.diff(values.to_numpy(zero_copy_only=False).astype(np.float64))
        inside = owner[1:] == owner[:-1]
        made = np.zeros(rows.num_rows)
        np.maximum.at(made, owner[1:][inside], np.nan_to_num(steps[inside], nan=np.inf))
        return made

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
