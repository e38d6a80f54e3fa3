"""Measures of rankings against judgements, each query at once: R@K, RR@K, Success@K, nDCG@K, AP@K.

Names and conventions are those of ir_measures and trec_eval, which the tests hold them against, with ranx:
- R@K: relevant items in the first K / relevant items judged. RR@K: 1 / rank of the first relevant item, 0
  below K. Success@K: 1 where there is one. AP@K: precision at each relevant item in the first K, summed /
  relevant items judged.
- nDCG@K: the gain is the grade itself, the discount log2(rank + 1), the ideal that of all judged items.
- Equal scores: the larger item id comes first (trec_eval). `models.fusion.ranked_lists.trec_order`, and jobs.platform.trec for
  run files, have put rankings in that order, so the rank alone is handed on and no tie is left to decide.
- A query with no ranking counts as 0. A query with no relevant item has no recall: it is left out.
- `judged`: items without a judgement leave the ranking first (condensed lists: Sakai, SIGIR 2007). Where
  judgements are sparse, the plain measure punishes an arm for good items that nobody looked at.

Why not the libraries themselves: they take a dict for every item shown. 100,000 rankings of 1,000 would be 100
million entries; here only judged items that are shown are looked at (`models.evaluation.qrels.Hits`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.qrels import Hits, Judged, Rows

Floats = NDArray[np.float64]
CUTOFFS = (10, 60, 100)
DEEP = 1000
# written out, because the trigger form of a sweep reads them from the source
_PLAIN = (
    "R@10",
    "R@60",
    "R@100",
    "RR@10",
    "RR@60",
    "RR@100",
    "nDCG@10",
    "nDCG@60",
    "AP@100",
    "Success@1",
    "Success@10",
)
CONDENSED = (
    *("R@10 judged", "R@60 judged", "R@100 judged"),
    *("RR@10 judged", "RR@60 judged", "RR@100 judged", "nDCG@10 judged"),
)
MEASURES = (*_PLAIN, *CONDENSED)
_NAME = re.compile(r"(R|RR|nDCG|AP|Success)@([1-9]\d*)( judged)?")


def measures_for(depth: int) -> tuple[str, ...]:
    """The measures of rankings so deep: R@1000 is one only where 1,000 items are ranked."""
    return (*MEASURES, f"R@{DEEP}") if depth >= DEEP else MEASURES


@dataclass(frozen=True)
class Measured:
    """One arm measured: values float64 [Q, len(names)], row i of query_ids[i]."""

    query_ids: list[str]
    names: tuple[str, ...]
    values: Floats

    def column(self, name: str) -> Floats:
        """Values of one measure, per query [Q]."""
        values: Floats = self.values[:, self.names.index(name)]
        return values

    def means(self, rows: NDArray[np.bool_] | None = None) -> dict[str, float]:
        """Average over all queries, or over those where rows is True."""
        values = self.values if rows is None else self.values[rows]
        return dict(zip(self.names, values.mean(axis=0).tolist(), strict=True))


def measure(judged: Judged, hits: Hits, names: Sequence[str] = MEASURES) -> Floats:
    """Values [Q, len(names)] of one ranking; see `parsed` for the names."""
    columns = [
        _KINDS[kind](judged, hits, hits.among_judged if condensed else hits.rank, int(k))
        for kind, k, condensed in parsed(names)
    ]
    return np.column_stack(columns) if columns else np.zeros((judged.n_queries, 0))


def parsed(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Kind, K and ` judged` or nothing of each name.

    Raises:
        ValueError: a name is none of a measure.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no measure: expected R, RR, nDCG, AP or Success@K")
    return [parts for name in names for parts in _NAME.findall(name)]


def recall_curve(judged: Judged, hits: Hits, depth: int) -> Floats:
    """Mean recall in the first 1, 2, ... depth items [depth]."""
    right = judged.relevant[hits.judgement] & (hits.rank <= depth)
    share = 1 / judged.relevant_per_query()[hits.query[right]]
    at = np.bincount(hits.rank[right], share, depth + 1)[1:]
    return np.cumsum(at) / judged.n_queries


def _recall(judged: Judged, hits: Hits, rank: Rows, k: int) -> Floats:
    right = judged.relevant[hits.judgement] & (rank <= k)
    shown = np.bincount(hits.query[right], minlength=judged.n_queries)
    return shown / judged.relevant_per_query()


def _reciprocal_rank(judged: Judged, hits: Hits, rank: Rows, k: int) -> Floats:
    right = judged.relevant[hits.judgement] & (rank <= k)
    reciprocal = np.zeros(judged.n_queries)
    # written from the last to the first: what stays is the first
    reciprocal[hits.query[right][::-1]] = 1 / rank[right][::-1]
    return reciprocal


def _success(judged: Judged, hits: Hits, rank: Rows, k: int) -> Floats:
    return (_reciprocal_rank(judged, hits, rank, k) > 0).astype(np.float64)


def _average_precision(judged: Judged, hits: Hits, rank: Rows, k: int) -> Floats:
    right = judged.relevant[hits.judgement] & (rank <= k)
    query, place = hits.query[right], rank[right]
    so_far = np.arange(1, len(query) + 1) - np.searchsorted(query, query)
    total = np.bincount(query, so_far / place, judged.n_queries)
    return total / judged.relevant_per_query()


def _ndcg(judged: Judged, hits: Hits, rank: Rows, k: int) -> Floats:
    shown = rank <= k
    gain = judged.gains[hits.judgement[shown]] / np.log2(rank[shown] + 1)
    best_first = np.lexsort((-judged.gains, judged.query))
    query = judged.query[best_first]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    ideal = np.where(place < k, judged.gains[best_first] / np.log2(place + 2), 0.0)
    best = np.bincount(query, ideal, judged.n_queries)
    gained = np.bincount(hits.query[shown], gain, judged.n_queries)
    return np.divide(gained, best, out=np.zeros_like(best), where=best > 0)


_KINDS = {"R": _recall, "RR": _reciprocal_rank, "Success": _success, "AP": _average_precision, "nDCG": _ndcg}
