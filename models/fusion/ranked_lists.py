"""Rankings as matrices of item rows: their order among equals, and their fusion by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RRF_K = 60


class Ranked(NamedTuple):
    """A ranking of Q queries to depth K.

    items int64 [Q, K]: item rows, best first, -1 where the list has ended.
    scores float32 [Q, K]: falling along a row, -inf where the list has ended.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


def trec_order(items: NDArray[np.int64], scores: NDArray[np.float32]) -> Ranked:
    """Order each row as trec_eval reads a run file: by score as float32, equals by larger item.

    Where item rows stand in the order of item ids (as in a bundle), this is trec_eval's own tie
    rule, so that a run file measured elsewhere gives the same figures.
    """
    narrow = np.where(items < 0, -np.inf, scores).astype(np.float32)
    order = np.lexsort((-items, -narrow), axis=-1)
    return Ranked(np.take_along_axis(items.astype(np.int64), order, axis=1), np.take_along_axis(narrow, order, axis=1))


def reciprocal_rank_fusion(
    arms: Sequence[NDArray[np.int64]], depth: int, k: int = RRF_K, weights: Sequence[float] | None = None
) -> Ranked:
    """Fuse rankings by the sum over arms of weight / (k + rank), ranks from 1.

    arms: each [Q, K_arm] of item rows, -1 for no item; an item may stand once per row. Scores of
    different arms are never added up: a cosine and a BM25 sum have no common unit.
    Source: Cormack, Clarke and Buettcher, SIGIR 2009, where k = 60.

    Raises:
        ValueError: arms and weights differ in number, or arms in their number of queries.
    """
    shares = [1.0] * len(arms) if weights is None else list(weights)
    if len(shares) != len(arms) or len({len(arm) for arm in arms}) != 1:
        raise ValueError(
            f"{len(arms)} arms of {[len(arm) for arm in arms]} queries and {len(shares)} weights:"
            " give one weight per arm, and the same queries to each"
        )
    places = [np.nonzero(arm >= 0) for arm in arms]
    gains = [share / (k + 1.0 + at[1]) for share, at in zip(shares, places, strict=True)]
    shown = [(at[0], arm[at], gain) for arm, at, gain in zip(arms, places, gains, strict=True)]
    return best_sums(shown, np.zeros(len(arms[0])), depth)


def best_sums(
    shown: Sequence[tuple[NDArray[Any], NDArray[np.int64], NDArray[Any]]], floor: NDArray[np.float64], depth: int
) -> Ranked:
    """Rank the items of each query by their gains, summed over arms: the best `depth`.

    shown: for each arm flat columns query, item, gain. floor [Q]: what every item of a query has before.
    """
    query, item, gain = (np.concatenate(column) for column in zip(*shown, strict=True))
    n_items = 1 + int(item.max(initial=0))
    key, inverse = np.unique(query * n_items + item, return_inverse=True)
    query, item = key // n_items, key % n_items
    total = (floor[query] + np.bincount(inverse, gain, len(key))).astype(np.float32)
    return _top(query, item, total, len(floor), depth)


def _top(
    query: NDArray[np.int64], item: NDArray[np.int64], gain: NDArray[np.float32], n_queries: int, depth: int
) -> Ranked:
    """Lay flat (query, item, gain) triples, in order of (query, item), out as the best `depth` of each query."""
    ends = np.searchsorted(query, np.arange(n_queries), side="right")
    # the largest item first: a stable sort by gain keeps it before its equals
    place = ends[query] - 1 - np.arange(len(query))
    shape = (n_queries, max(depth, int(place.max(initial=-1)) + 1))
    items, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    items[query, place], scores[query, place] = item, gain
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return Ranked(np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))


def first(ranked: Ranked, depth: int) -> Ranked:
    """Keep the first `depth` places."""
    return Ranked(ranked.items[:, :depth], ranked.scores[:, :depth])
