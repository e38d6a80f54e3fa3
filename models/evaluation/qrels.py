"""Judgements as arrays, and where a ranking shows judged items: all that a measure needs to know.

Queries and items are rows here; who turns ids into rows is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Judgements of Q queries over N items, in order of (query, item).

    keys int64 [J]: query row * N + item row, each once, rising. gains float64 [J], 0 or more.
    relevant bool [J]. Every query has at least one relevant item.
    """

    n_queries: int
    n_items: int
    keys: Rows
    gains: Floats
    relevant: Mask

    @classmethod
    def of(cls, n_queries: int, n_items: int, query: Rows, item: Rows, gains: Floats, relevant: Mask) -> Judged:
        """Put judgements, given as columns [J], in order.

        Raises:
            ValueError: an item is judged twice for one query.
        """
        keys = query * n_items + item
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if (keys[1:] == keys[:-1]).any():
            raise ValueError("qrels: an item is judged twice for one query; keep one judgement")
        return cls(n_queries, n_items, keys, gains[order], relevant[order])

    @property
    def query(self) -> Rows:
        """Query row [J] of each judgement."""
        return self.keys // max(1, self.n_items)

    def relevant_per_query(self) -> Rows:
        """Relevant items [Q] of each query."""
        return np.bincount(self.query[self.relevant], minlength=self.n_queries)


@dataclass(frozen=True)
class Hits:
    """Judged items that a ranking shows, in order of (query, rank).

    query [H], rank [H] from 1, judgement [H]: row in Judged. among_judged [H]: the rank, from 1, that
    is left when items without a judgement leave the list (condensed lists: Sakai, SIGIR 2007).
    """

    query: Rows
    rank: Rows
    judgement: Rows
    among_judged: Rows


def hits_of(judged: Judged, query: Rows, item: Rows, rank: Rows) -> Hits:
    """Find the judged ones among shown items, given as columns [R]; item rows beyond N are unjudged.

    Time: one binary search per shown item whose row is known.
    """
    known = np.flatnonzero((item >= 0) & (item < judged.n_items) & (query >= 0))
    keys = query[known] * judged.n_items + item[known]
    place = np.searchsorted(judged.keys, keys)
    place[place == len(judged.keys)] = 0
    is_judged = judged.keys[place] == keys if len(judged.keys) else np.zeros(len(keys), np.bool_)
    known, place = known[is_judged], place[is_judged]
    order = np.lexsort((rank[known], query[known]))
    query, rank, place = query[known][order], rank[known][order], place[order]
    first = np.searchsorted(query, query)
    return Hits(query, rank, place, np.arange(1, len(query) + 1) - first)


def hits_in(judged: Judged, items: Rows) -> Hits:
    """The same for a matrix of item rows [Q, K], best first, -1 where a list has ended."""
    query = np.repeat(np.arange(len(items)), items.shape[1])
    rank = np.tile(np.arange(1, items.shape[1] + 1), len(items))
    return hits_of(judged, query, items.ravel(), rank)
