"""Fusion by scores: a convex combination of the arms' scores, made comparable query by query first.

Scores as they are have no common unit (a cosine, a BM25 sum) and are never added up.
Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, TOIS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.fusion.ranked_lists import Ranked, best_sums

Floats = NDArray[np.float64]
NORMS = ("minmax", "zscore")


def convex_combination(arms: Sequence[Ranked], weights: Sequence[float], depth: int, norm: str = "minmax") -> Ranked:
    """Fuse rankings by the sum over arms of weight x normalised score.

    An item that a list lacks counts as that list's lowest: it was ranked no higher. An item may stand
    once per row; where a list is empty it says nothing.

    Raises:
        ValueError: arms and weights differ in number, arms in their number of queries, or no such norm.
    """
    if len(weights) != len(arms) or len({len(arm.items) for arm in arms}) != 1:
        raise ValueError(
            f"{len(arms)} arms of {[len(arm.items) for arm in arms]} queries and {len(weights)} weights:"
            " give one weight per arm, and the same queries to each"
        )
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
