"""Qrels of a split as arrays, with the ids that their rows stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick, texts
from models.evaluation.qrels import Hits, Judged, hits_of


@dataclass(frozen=True)
class Judgements:
    """query_ids [Q] and item_ids [N] in the order of their bytes: row q of judged is query_ids[q]. threshold: relevance
    from which an item is relevant; zero_gain: relevance that is worth nothing."""

    query_ids: list[str]
    item_ids: Strings
    judged: Judged
    threshold: float
    zero_gain: float
    queries_without_relevant: int

    def __len__(self) -> int:
        return len(self.query_ids)

    def hits(self, rows: pa.Table) -> Hits:
        """Judged items among the rows of one ranking: query_id, item_id, rank from 1."""
        query = _rows(rows.column("query_id"), pa.array(self.query_ids, pa.large_string()))
        item = _rows(rows.column("item_id"), self.item_ids)
        return hits_of(self.judged, query, item, numbers(rows, "rank").astype(np.int64))

    def of_query(self, row: int) -> dict[str, tuple[float, bool]]:
        """Item -> (relevance on its own scale, whether it is relevant), of one query."""
        low, high = np.searchsorted(self.judged.keys, [row * self.judged.n_items, (row + 1) * self.judged.n_items])
        items = texts(pick(self.item_ids, self.judged.keys[low:high] % self.judged.n_items))
        relevance = (self.judged.gains[low:high] + self.zero_gain).tolist()
        return dict(zip(items, zip(relevance, self.judged.relevant[low:high].tolist(), strict=True), strict=True))


def least(min_relevance: float) -> float:
    """The grade from which an item counts, to the sixth digit: 7 / 3 and a label of 2.333333 are one grade."""
    return min_relevance - 1e-6


def judge_items(qrels: pa.Table, min_relevance: float, zero_gain: float = 0.0) -> Judgements:
    """Gather qrels: query_id, item_id, relevance.

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
    """The different strings in order of their bytes, and the row of each value among them."""
    values = large(column.chunks)
    names = values.unique()
    names = names.take(pc.sort_indices(names))
    return names, find(values, names)


def _rows(column: pa.ChunkedArray[Any], known: Strings) -> Rows:
    """Row of each value among the known, -1 where it is not there; a dictionary is looked up once."""
    parts = [
        find(chunk.dictionary, known)[chunk.indices.to_numpy(zero_copy_only=False)]
        if isinstance(chunk, pa.DictionaryArray)
        else find(chunk, known)
        for chunk in column.chunks
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
