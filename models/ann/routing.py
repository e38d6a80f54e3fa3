"""A router: which categories of a catalogue are worth searching for a query, by the centroids of each.

The rule is fitted on real queries, so that the categories chosen hold a stated share of what exact search over
everything finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import faiss
import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Choice = NDArray[np.bool_]
REST = "rest"
NO_MARGIN = 2.0  # no two cosines lie farther apart
_LAST_DIGITS = 1e-6
_PER_CENTROID, _MOST_PER_CENTROID, _ITERATIONS = 32, 256, 10


def divided(tops: Sequence[str], min_items: int) -> tuple[list[str], Rows]:
    """Names of categories, and the category [N] of each item by its top category.

    Those with fewer than min_items, and items of none (empty), together are the last, `rest`; where there
    are no such items there is no rest.
    """
    names, found, counts = np.unique(np.array(tops, np.str_), return_inverse=True, return_counts=True)
    large = (counts >= min_items) & (names != "")
    place = np.where(large, np.cumsum(large) - 1, large.sum())
    rest = [] if large.all() else [REST]
    return [*names[large].tolist(), *rest], place[found].astype(np.int64)


@dataclass(frozen=True)
class Router:
    """centroids [M, D] of unit norm; owner [M], ascending: the category of each; of C categories each has one.

    A category is chosen when its best centroid scores at most `margin` below the best of all, and it is
    among the first `most`.
    """

    centroids: Vectors
    owner: Rows
    margin: float = 0.0
    most: int = 1

    @property
    def categories(self) -> int:
        """C."""
        return int(self.owner[-1]) + 1

    def scores(self, vectors: Vectors) -> Vectors:
        """[Q, C]: the best inner product of each vector with a centroid of each category."""
        starts = np.searchsorted(self.owner, np.arange(self.categories))
        best: Vectors = np.maximum.reduceat(vectors @ self.centroids.T, starts, axis=1)
        return best

    def choose(self, queries: Vectors) -> Choice:
        """[Q, C]: the categories to search; the best one always is."""
        scores = self.scores(queries)
        chosen: Choice = below_best(scores) <= self.margin
        if self.most < self.categories:
            chosen &= places(scores) < self.most
        return chosen


def below_best(scores: Vectors) -> Vectors:
    """[Q, C]: by how much each score lies below its row's best."""
    gap: Vectors = scores.max(axis=1, keepdims=True) - scores
    return gap


def places(scores: Vectors) -> Rows:
    """[Q, C]: the rank of each score in its row, from 0; equals in order of category."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), 1)
    return ranks


def centroids(vectors: Vectors, category: Rows, count: int, seed: int) -> Router:
    """At most `count` centroids a category, of 32 items or more each; the rule is still to be fitted."""
    found: list[Vectors] = []
    for one in range(int(category.max()) + 1):
        mine = np.ascontiguousarray(vectors[category == one], np.float32)
        wanted = max(1, min(count, len(mine) // _PER_CENTROID))
        learner = faiss.Clustering(mine.shape[1], wanted)
        learner.niter, learner.spherical, learner.seed = _ITERATIONS, True, seed + 1
        learner.min_points_per_centroid = 1
        learner.max_points_per_centroid = _MOST_PER_CENTROID
        index = faiss.IndexFlatIP(mine.shape[1])
        learner.train(mine, index)
        found.append(index.reconstruct_n(0, wanted))
    owner = np.repeat(np.arange(len(found)), [len(part) for part in found])
    return Router(np.concatenate(found), owner)


def own(category: Rows, categories: int) -> Choice:
    """[Q, C]: an item that is a query goes to its own category alone."""
    alone: Choice = category[:, None] == np.arange(categories)
    return alone


def held(chosen: Choice, wanted: Rows) -> float:
    """Share of the wanted neighbours, whose categories are given [Q, K], that lies in the chosen ones."""
    return float(np.take_along_axis(chosen, wanted, axis=1).mean())


def searched_frac(chosen: Choice, sizes: Rows) -> float:
    """Mean share of the catalogue in the chosen categories, which have so many items [C]."""
    return float((chosen @ sizes).mean() / sizes.sum())


def fitted(router: Router, queries: Vectors, wanted: Rows, sizes: Rows, target: float) -> Router:
    """The router with the least margin, or the least number, that holds the target on these queries.

    wanted [Q, K]: categories of the exact neighbours. Of the two rules the one that searches less of the
    catalogue is taken. Both are exact: a margin holds as many neighbours as lie within it.
    """
    scores = router.scores(queries)
    gaps = np.take_along_axis(below_best(scores), wanted, axis=1)
    ranks = np.take_along_axis(places(scores), wanted, axis=1)
    all_of_them = router.categories
    # a query alone has other last digits than among many: the fitted margin must hold for both
    by_margin = replace(router, margin=_least(gaps, target) + _LAST_DIGITS, most=all_of_them)
    by_number = replace(router, margin=NO_MARGIN, most=int(_least(ranks, target)) + 1)
    return min(by_margin, by_number, key=lambda one: searched_frac(one.choose(queries), sizes))


def _least(needed: NDArray[np.generic], target: float) -> float:
    """The least bound that at least this share of the values keeps."""
    values = np.sort(needed, axis=None)
    return float(values[max(0, int(np.ceil(target * len(values))) - 1)])
