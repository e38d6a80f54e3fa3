"""Fusion of two arms into hybrid: by rank, or by scores that are made comparable first.

Scores as they are have no common unit (a cosine, a BM25 sum) and are never added up.
Sources: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, SIGIR 2009 (k = 60);
Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, TOIS 2023 (convex combination).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation.query_slices import lengths, model_numbers
from models.fusion.ranked_lists import Ranked, take

Floats = NDArray[np.float64]
RRF, RRF_K = "rrf", 60
NORMS = ("minmax", "zscore")
METHODS = (RRF, *NORMS)
MODEL_NUMBER = "model number"


class FusionWeights(NamedTuple):
    """Fusion of two arms: the weight of each, the method, and RRF's k. A small k lets first ranks decide."""

    dense: float = 0.5
    sparse: float = 0.5
    k: int = RRF_K
    method: str = RRF


def fuse(dense: Ranked, sparse: Ranked, depth: int, weights: FusionWeights) -> Ranked:
    """Fuse two rankings of the same queries.

    Raises:
        ValueError: the method is none of METHODS.
    """
    if weights.method not in METHODS:
        raise ValueError(f"method {weights.method!r}: expected {', '.join(METHODS)}")
    shares = (weights.dense, weights.sparse)
    if weights.method == RRF:
        return reciprocal_rank_fusion((dense.items, sparse.items), depth, weights.k, shares)
    return convex_combination((dense, sparse), shares, depth, weights.method)


def fuse_by_class(
    dense: Ranked,
    sparse: Ranked,
    depth: int,
    weights: FusionWeights,
    by_class: Mapping[str, FusionWeights],
    classes: NDArray[np.str_],
) -> Ranked:
    """Fuse two rankings where some classes of queries have weights of their own. classes [Q]: of each query."""
    fused = fuse(dense, sparse, depth, weights)
    for name, own in by_class.items():
        rows = np.flatnonzero(classes == name)
        if len(rows):
            fused.items[rows], fused.scores[rows] = fuse(take(dense, rows), take(sparse, rows), depth, own)
    return fused


def classes_of(queries: Sequence[str]) -> NDArray[np.str_]:
    """The class [Q] of each normalised query, by its text alone: `model number`, else its length."""
    return np.where(model_numbers(queries), MODEL_NUMBER, lengths(queries))


def reciprocal_rank_fusion(
    arms: Sequence[NDArray[np.int64]], depth: int, k: int = RRF_K, weights: Sequence[float] | None = None
) -> Ranked:
    """Fuse rankings by the sum over arms of weight / (k + rank), ranks from 1.

    arms: each [Q, K_arm] of item rows, -1 for no item; an item may stand once per row.

    Raises:
        ValueError: arms and weights differ in number, or arms in their number of queries.
    """
    shares = [1.0] * len(arms) if weights is None else list(weights)
    _check_arms(arms, shares)
    places = [np.nonzero(arm >= 0) for arm in arms]
    gains = [share / (k + 1.0 + at[1]) for share, at in zip(shares, places, strict=True)]
    shown = [(at[0], arm[at], gain) for arm, at, gain in zip(arms, places, gains, strict=True)]
    return best_sums(shown, np.zeros(len(arms[0])), depth)


def _check_arms(arms: Sequence[NDArray[np.int64]], weights: Sequence[float]) -> None:
    if len(weights) != len(arms) or len({len(arm) for arm in arms}) != 1:
        raise ValueError(
            f"{len(arms)} arms of {[len(arm) for arm in arms]} queries and {len(weights)} weights:"
            " give one weight per arm, and the same queries to each"
        )


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


def convex_combination(arms: Sequence[Ranked], weights: Sequence[float], depth: int, norm: str = "minmax") -> Ranked:
    """Fuse rankings by the sum over arms of weight x normalised score.

    An item that a list lacks counts as that list's lowest: it was ranked no higher. An item may stand
    once per row; where a list is empty it says nothing.

    Raises:
        ValueError: arms and weights differ in number, arms in their number of queries, or no such norm.
    """
    _check_arms([arm.items for arm in arms], weights)
    floor = np.zeros(len(arms[0].items))
    shown = []
    for arm, weight in zip(arms, weights, strict=True):
        values, low = normalised(arm, norm)
        at = np.nonzero(arm.items >= 0)
        floor += weight * low
        # what standing in the list is worth beyond lacking from it: who lacks needs no entry
        shown.append((at[0], arm.items[at], weight * (values[at] - low[at[0]])))
    return best_sums(shown, floor, depth)


def normalised(arm: Ranked, norm: str) -> tuple[Floats, Floats]:
    """Scores [Q, K] made comparable by each list's own, and what an item that lacks counts as [Q].

    minmax: the best is 1, the last 0. zscore: mean 0, standard deviation 1. A list whose scores are all
    equal tells only who stands in it: there it is 1 and 0 in both. Places after a list's end hold 0.

    Raises:
        ValueError: no such norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm {norm!r}: expected {' or '.join(NORMS)}")
    given = arm.items >= 0
    scores = np.where(given, arm.scores, 0.0).astype(np.float64)
    count = np.maximum(given.sum(axis=1), 1)
    low = np.min(scores, axis=1, where=given, initial=np.inf)
    high = np.max(scores, axis=1, where=given, initial=-np.inf)
    flat = ~(high > low)
    if norm == "minmax":
        centre, unit = low, high - low
    else:
        centre = scores.sum(axis=1) / count
        apart = np.where(given, scores - centre[:, None], 0.0)
        unit = np.sqrt((apart**2).sum(axis=1) / count)
    centre, unit = np.where(flat, 0.0, centre), np.where(flat, 1.0, unit)
    values = (scores - centre[:, None]) / unit[:, None]
    values = np.where(given, np.where(flat[:, None], 1.0, values), 0.0)
    return values, np.where(flat, 0.0, (low - centre) / unit)
