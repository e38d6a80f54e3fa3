"""Relevance judgements of a split: its judged queries, its relevance scale, its qrels as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick, strings, texts
from jobs.lake.read import Pinned, read_table
from models.evaluation.qrels import Hits, Judged, hits_of
from models.evaluation.query_slices import words


def relevance_scale(qrels: Pinned, min_relevance: float, zero_gain: float = 0.0) -> tuple[float, float]:
    """Return (min_relevance, zero_gain): as given, or as the facts of the qrels where min_relevance is 0.

    Qrels without these facts, such as those from clicks, use min_relevance 1 and zero_gain 0.
    """
    if min_relevance:
        return min_relevance, zero_gain
    facts = qrels.facts
    return float(facts.get("min_relevance", 1.0)), float(facts.get("zero_gain", 0.0))


def judged_in(qrels: Pinned, split: str) -> set[str]:
    """Ids of the queries that are judged in a split."""
    rows = read_table(qrels, ["query_id"], pc.field("split") == split)
    return set(texts(rows.column("query_id").unique()))  # unique first: a query has many judgements


def judged_queries(queries: Pinned, qrels: Pinned, split: str) -> pa.Table:
    """Queries that are judged in a split: query_id and query, in order of id.

    Raises:
        LookupError: no query is judged, or a judged query has no text.
    """
    judged = judged_in(qrels, split)
    rows = read_table(queries, ["query_id", "query"])
    with_text = rows.filter(pc.field("query_id").isin(sorted(judged))).sort_by("query_id")
    if not len(judged) or len(with_text) != len(judged):
        raise LookupError(
            f"{qrels.partition}: {len(judged):,} queries judged in split {split}, {len(with_text):,} of"
            f" them in {queries.partition}; expected all, and at least one"
        )
    return with_text


def without_leaks(queries: pa.Table, train_texts: Sequence[str]) -> tuple[pa.Table, int]:
    """Drop queries that training contains in another spelling. Return the rest, and how many were dropped.

    Two spellings are one query if they differ only in case, diacritics, punctuation or word order. The split is a
    hash of the normalised text, so it may put such spellings on both sides.
    """
    in_training = {_spelling_key(text) for text in train_texts}
    kept = np.array([_spelling_key(text) not in in_training for text in strings(queries, "query")], np.bool_)
    return queries.filter(pa.array(kept)), int((~kept).sum())


def seen_queries(queries: Pinned, qrels: Pinned, wanted: int) -> pa.Table:
    """At most `wanted` judged queries of split train, in order of id; the id is a hash, so this is a random sample."""
    if not wanted or not judged_in(qrels, "train"):
        return read_table(queries, ["query_id", "query"]).slice(0, 0)
    return judged_queries(queries, qrels, "train").slice(0, wanted)


def _spelling_key(text: str) -> str:
    return " ".join(sorted(words(text))) or text


@dataclass(frozen=True)
class Judgements:
    """Qrels of one split. query_ids [Q] and item_ids [N] are in byte order; row q of `judged` is query_ids[q].

    threshold: the lowest grade that counts as relevant. zero_gain: the grade whose gain in nDCG is 0.
    """

    query_ids: list[str]
    item_ids: Strings
    judged: Judged
    threshold: float
    zero_gain: float
    queries_without_relevant: int

    def __len__(self) -> int:
        return len(self.query_ids)

    def hits(self, rows: pa.Table) -> Hits:
        """Judged items in the rows of one ranking (query_id, item_id, rank from 1)."""
        query = _rows(rows.column("query_id"), pa.array(self.query_ids, pa.large_string()))
        item = _rows(rows.column("item_id"), self.item_ids)
        return hits_of(self.judged, query, item, numbers(rows, "rank").astype(np.int64))

    def of_query(self, row: int) -> dict[str, tuple[float, bool]]:
        """Item -> (grade on the data set's scale, whether it is relevant) for one query."""
        low, high = np.searchsorted(self.judged.keys, [row * self.judged.n_items, (row + 1) * self.judged.n_items])
        items = texts(pick(self.item_ids, self.judged.keys[low:high] % self.judged.n_items))
        relevance = (self.judged.gains[low:high] + self.zero_gain).tolist()
        return dict(zip(items, zip(relevance, self.judged.relevant[low:high].tolist(), strict=True), strict=True))


def least(min_relevance: float) -> float:
    """Lowest grade of a relevant item, with a tolerance of 1e-6: 7 / 3 and a label of 2.333333 are the same grade."""
    return min_relevance - 1e-6


def judge_items(qrels: pa.Table, min_relevance: float, zero_gain: float = 0.0) -> Judgements:
    """Turn qrels (query_id, item_id, relevance) into arrays.

    An item is relevant at relevance >= min_relevance. Its gain in nDCG is relevance - zero_gain,
    never below 0: zero_gain is the grade that means "not relevant" on the data set's own scale.

    Raises:
        ValueError: no query has a relevant item, or an item is judged twice for one query.
    """
    relevance = numbers(qrels, "relevance").astype(np.float64)
    relevant = relevance >= least(min_relevance)
    names, query = _coded(qrels.column("query_id"))
    kept = np.bincount(query[relevant], minlength=len(names)) > 0
    if not kept.any():
        raise ValueError(
            f"qrels: none of {len(names):,} queries has an item of relevance >= {min_relevance};"
            " is min_relevance on the scale of this data set?"
        )
    mine = kept[query]
    row = np.cumsum(kept) - 1
    ids, item = _coded(qrels.column("item_id").filter(pa.array(mine)))
    gains = (relevance[mine] - zero_gain).clip(0)
    whole = Judged.of(int(kept.sum()), len(ids), row[query[mine]], item, gains, relevant[mine])
    return Judgements(texts(names.filter(pa.array(kept))), ids, whole, min_relevance, zero_gain, int((~kept).sum()))


def _coded(column: pa.ChunkedArray[Any]) -> tuple[Strings, Rows]:
    """Distinct strings in byte order, and the row of each value among them."""
    values = large(column.chunks)
    names = values.unique()
    names = names.take(pc.sort_indices(names))
    return names, find(values, names)


def _rows(column: pa.ChunkedArray[Any], known: Strings) -> Rows:
    """Row of each value among the known ones, -1 if unknown; a dictionary is looked up once."""
    parts = [
        find(chunk.dictionary, known)[chunk.indices.to_numpy(zero_copy_only=False)]
        if isinstance(chunk, pa.DictionaryArray)
        else find(chunk, known)
        for chunk in column.chunks
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
