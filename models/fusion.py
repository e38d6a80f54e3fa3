"""Rankings as matrices of item rows: their order among equals, and their fusion by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RRF_K = 60
KS = (60, 20, 10)
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
FIT_DEPTH = 60


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
    return Ranked(
        np.take_along_axis(items.astype(np.int64), order, axis=1),
        np.take_along_axis(narrow, order, axis=1),
    )


def reciprocal_rank_fusion(
    arms: Sequence[NDArray[np.int64]],
    depth: int,
    k: int = RRF_K,
    weights: Sequence[float] | None = None,
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
    n_queries = len(arms[0])
    n_items = 1 + max((int(arm.max(initial=-1)) for arm in arms), default=-1)
    keys, gains = [], []
    for arm, share in zip(arms, shares, strict=True):
        query, place = np.nonzero(arm >= 0)
        keys.append(query * n_items + arm[query, place])
        gains.append(share / (k + 1.0 + place))
    key, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    gain = np.bincount(inverse, np.concatenate(gains), len(key)).astype(np.float32)
    return _top(key // max(n_items, 1), key % max(n_items, 1), gain, n_queries, depth)


class Vote(NamedTuple):
    """How two arms are fused: the weight of each, and RRF's k. A small k lets first ranks decide."""

    dense: float = 0.5
    sparse: float = 0.5
    k: int = RRF_K


def fit_vote(
    dense: NDArray[np.int64], sparse: NDArray[np.int64], relevant: NDArray[np.int64], n_items: int
) -> Vote:
    """Choose weights and k by R@60 + RR@60 of the fusion on development queries.

    dense, sparse [Q, K]; relevant: query row * n_items + item row of every relevant item. An arm
    that is much better than the other must not be dragged down by an equal vote. Among equals the
    vote nearest to the default wins; without a relevant item it is the default.
    """
    counts = np.bincount(relevant // n_items, minlength=len(dense))
    judged = counts > 0
    if not judged.any():
        return Vote()

    def worth(vote: Vote) -> float:
        weights = (vote.dense, vote.sparse)
        fused = reciprocal_rank_fusion((dense, sparse), FIT_DEPTH, vote.k, weights).items
        keys = np.arange(len(fused))[:, None] * n_items + fused
        hit = (np.isin(keys, relevant) & (fused >= 0))[judged]
        first = np.where(hit.any(axis=1), 1 / (1 + hit.argmax(axis=1)), 0.0)
        # to a tenth of a point: what lies below is noise, and the default keeps its place
        return round(float((hit.sum(axis=1) / counts[judged] + first).mean()), 3)

    votes = [Vote(share, round(1 - share, 1), k) for k in KS for share in SHARES]
    votes.sort(key=lambda vote: (abs(vote.dense - 0.5), -vote.k))
    return max(votes, key=worth)


def _top(
    query: NDArray[np.int64],
    item: NDArray[np.int64],
    gain: NDArray[np.float32],
    n_queries: int,
    depth: int,
) -> Ranked:
    """Lay flat (query, item, gain) triples out as the best `depth` of each query."""
    order = np.lexsort((-item, -gain, query))
    query, item, gain = query[order], item[order], gain[order]
    starts = np.searchsorted(query, np.arange(n_queries))
    place = np.arange(len(query)) - starts[query]
    kept = place < depth
    items = np.full((n_queries, depth), -1, dtype=np.int64)
    scores = np.full((n_queries, depth), -np.inf, dtype=np.float32)
    items[query[kept], place[kept]] = item[kept]
    scores[query[kept], place[kept]] = gain[kept]
    return Ranked(items, scores)


def first(ranked: Ranked, depth: int) -> Ranked:
    """Keep the first `depth` places."""
    return Ranked(ranked.items[:, :depth], ranked.scores[:, :depth])
