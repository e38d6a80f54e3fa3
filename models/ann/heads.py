"""Search by several vectors of one query (a multi-head query tower): one list, each item by its best head.

Query vectors are [Q, K * D], the heads one after another, against items of D dimensions. Zhang et al. 2020 (JD), Towards
Personalized and Semantic Retrieval, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.ann.repeats import repeats

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Search = Callable[[Vectors], tuple[Vectors, Rows]]  # vectors [Q, D] -> scores and rows [Q, depth], best first


def search_heads(search: Search, queries: Vectors, dim: int, depth: int) -> tuple[Vectors, Rows]:
    """Scores and rows [Q, depth] of the best items; row -1 with score -inf past the end.

    An item within the first `depth` of a query is within the first `depth` of its best head, so nothing is lost.
    """
    heads = queries.shape[1] // dim
    if heads <= 1:
        return search(queries)
    by_head, rows_by_head = search(queries.reshape(-1, dim))
    wide = (len(queries), heads * by_head.shape[1])
    scores, rows = _best_first(by_head.reshape(wide), rows_by_head.reshape(wide))
    worse = repeats(rows.astype(np.int64), np.ones(rows.shape, np.bool_))
    scores, rows = _best_first(np.where(worse, -np.inf, scores).astype(np.float32), np.where(worse, -1, rows))
    return scores[:, :depth], rows[:, :depth]


def best_head(queries: Vectors, items: Vectors) -> Vectors:
    """The best head's inner product [n] of each query [n, K * D] with its item [n, D]."""
    dim = items.shape[1]
    by_head = queries.reshape(len(queries), queries.shape[1] // dim, dim)
    best: Vectors = np.einsum("nkd,nd->nk", by_head, items).max(axis=1)
    return best


def _best_first(scores: Vectors, rows: Rows) -> tuple[Vectors, Rows]:
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
