"""Fusion of any number of arms: each list is a distribution over items, and hybrid is a weighted mixture of them.

A list's scores are divided by their sum, so a weight means the same for a count of sessions and for a cosine. Weights are
fitted for each class of queries: where an arm knows nothing of a class, such as co-occurrence of new items, others decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fusion.fuse import best_sums
from models.fusion.ranked_lists import Ranked

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
STEPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
ROUNDS = 4
_LEAST_GAIN = 1e-5


class Candidates(NamedTuple):
    """Items that the arms show, as flat columns in order of (query, item): query [P], item [P], share [P, A]."""

    query: Rows
    item: Rows
    share: Floats


def shares(ranked: Ranked) -> Floats:
    """Scores [Q, K] as shares of each list's sum; a score of 0 or less, and the end of a list, has none."""
    positive = np.where((ranked.items >= 0) & (ranked.scores > 0), ranked.scores, 0).astype(np.float64)
    part: Floats = positive / np.maximum(positive.sum(axis=1, keepdims=True), 1e-12)
    return part


def mix(arms: Sequence[Ranked], weights: Floats, depth: int) -> Ranked:
    """Mix arms of the same Q queries: the best `depth` items of each. weights [Q, A]: of each arm for each query."""
    columns = []
    for arm, weight in zip(arms, weights.T, strict=True):
        gain = shares(arm) * weight[:, None]
        at = np.nonzero(gain)
        columns.append((at[0], arm.items[at], gain[at]))
    return best_sums(columns, np.zeros(len(weights)), depth)


def candidates(arms: Sequence[Ranked]) -> Candidates:
    """All items that an arm shows for a query, with their share in each arm."""
    shown = [(np.nonzero(share), share, arm) for share, arm in ((shares(arm), arm) for arm in arms)]
    keys = [np.stack([at[0], arm.items[at]]) for at, _, arm in shown]
    pairs, place = np.unique(np.concatenate(keys, axis=1), axis=1, return_inverse=True)
    table = np.zeros((pairs.shape[1], len(arms)))
    ends = np.cumsum([0, *(key.shape[1] for key in keys)])
    for arm, (at, share, _) in enumerate(shown):
        table[place.reshape(-1)[ends[arm] : ends[arm + 1]], arm] = share[at]
    return Candidates(pairs[0], pairs[1], table)


def fit_mixture(
    arms: Sequence[Ranked], target: Rows, classes: Rows, n_classes: int, start: Floats, depth: int = 25
) -> tuple[Floats, Floats]:
    """Weights [C, A] by coordinate ascent on RR@depth, and its mean [C] before and after, as [C, 2].

    target [Q]: the one right item of each query, -1 where the catalogue lacks it. classes [Q]: from 0 to C. start [C, A]:
    where the search begins; a class without a query keeps it, and a step that gains nothing is not taken.
    """
    weights, worth = np.array(start, np.float64), np.zeros((n_classes, 2))
    for number in range(n_classes):
        rows = np.flatnonzero(classes == number)
        if len(rows):
            part = candidates([Ranked(arm.items[rows], arm.scores[rows]) for arm in arms])
            weights[number], worth[number] = _ascend(part, target[rows], weights[number], depth)
    return weights, worth


def _ascend(part: Candidates, target: Rows, start: Floats, depth: int) -> tuple[Floats, tuple[float, float]]:
    weights = start.copy()
    right = part.item == target[part.query]

    def worth(scores: Floats) -> float:
        return float(reciprocal_ranks(part.query, right, scores, len(target), depth).mean())

    first = best = worth(part.share @ weights)
    for _ in range(ROUNDS):
        before = best
        for arm in range(len(weights)):
            rest = part.share @ np.where(np.arange(len(weights)) == arm, 0.0, weights)
            for step in STEPS:
                if (gained := worth(rest + step * part.share[:, arm])) > best + _LEAST_GAIN:
                    best, weights[arm] = gained, step
        if best - before < _LEAST_GAIN:
            break
    return weights / max(weights.sum(), 1e-12), (first, best)


def reciprocal_ranks(query: Rows, right: NDArray[np.bool_], scores: Floats, n_queries: int, depth: int) -> Floats:
    """1 / rank [Q] of the right item of each query, 0 below depth or where its score is 0; equals stand before it."""
    own = np.zeros(n_queries)
    own[query[right]] = scores[right]
    ahead = np.bincount(query[(scores >= own[query]) & ~right & (scores > 0)], minlength=n_queries)
    return np.where((own > 0) & (ahead < depth), 1.0 / (1 + ahead), 0.0)
