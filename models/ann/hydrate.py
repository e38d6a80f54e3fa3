"""Hydrated vectors: numbers of an item beside its vector, and one weight of each beside the query's.

An item's vector becomes p' = [p; f(p)] and a query's q' = [q; w], so that q' . p' = q . p + w . f(p): an index ranks by both,
and neither towers nor embeddings change. He et al. 2023 (Etsy), Unified Embedding Based Personalized Retrieval, 2306.04833,
section 4.3 "ANN based product boosting".

The vectors are not of unit norm: a norm is at most sqrt(1 + F * (SCALE / 2)^2), 1.03 for four numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Levels = NDArray[np.int8]
# steps of a quantile to either side of the middle: few, so that an item's code changes on few days
STEPS = 16
# of f(p): with 1 the numbers would take most of the bits of a coarse code, and with little a code's error is multiplied by w
SCALE = 0.25


def quantile_levels(values: NDArray[np.float64]) -> Levels:
    """Place [N, F] of each value [N, F] within its column, in steps from -16, the least, to 16.

    Equal values share the middle of their places. A value that is not a number has level 0, the middle.
    """
    levels = np.zeros(values.shape, np.int8)
    for column, level in zip(values.T, levels.T, strict=True):
        known = np.isfinite(column)
        _, place, counts = np.unique(column[known], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / max(1, counts.sum())
        level[known] = np.rint(STEPS * (2 * middle - 1)).astype(np.int8)[place]
    return levels


def hydrated_items(vectors: Vectors, levels: Levels) -> Vectors:
    """Vectors [N, D + F] of items, of vectors [N, D] and levels [N, F]."""
    return np.concatenate([vectors, levels.astype(np.float32) * (SCALE / (2 * STEPS))], axis=1)


def hydrated_queries(vectors: Vectors, weights: Vectors, dim: int) -> Vectors:
    """Vectors [Q, D + F] of queries, of several heads [Q, K * (D + F)]; weights [F]: the gain in score from the least item to
    the greatest."""
    heads = vectors.reshape(len(vectors), -1, dim)
    tail = np.broadcast_to(weights / np.float32(SCALE), (*heads.shape[:2], len(weights)))
    return np.concatenate([heads, tail], axis=2).reshape(len(vectors), -1).astype(np.float32)


def boosts(levels: Levels, weights: Vectors) -> Vectors:
    """w . f(p) [...], which an item's score gains, of levels [..., F]."""
    gained: Vectors = (levels.astype(np.float32) @ weights.astype(np.float32)) / np.float32(2 * STEPS)
    return gained
