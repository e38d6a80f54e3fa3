"""A router that chooses the categories to search for a query by their centroids.

Its rule is fitted on real queries, so that the chosen categories hold a given fraction of the exact neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows, Vectors
from models.ann.train import spherical_kmeans

CategoryMask = NDArray[np.bool_]
REST = "rest"
NO_MARGIN = 2.0  # the largest difference of two cosines
_LAST_DIGITS = 1e-6
_PER_CENTROID, _MOST_PER_CENTROID, _ITERATIONS = 32, 256, 10


def group_categories(tops: Sequence[str], min_items: int) -> tuple[list[str], Rows]:
    """Names of categories, and the category [N] of each item by its top category.

    Categories with fewer than min_items, and items without one (empty), form the last category, `rest`, if there are any.
    """
    names, inverse, counts = np.unique(np.array(tops, np.str_), return_inverse=True, return_counts=True)
    large = (counts >= min_items) & (names != "")
    place = np.where(large, np.cumsum(large) - 1, large.sum())
    rest = [] if large.all() else [REST]
    return [*names[large].tolist(), *rest], place[inverse].astype(np.int64)


@dataclass(frozen=True)
class Router:
    """centroids [M, D] of unit norm; owner [M], ascending: the category of each. Each of the C categories has a centroid.

    A category is chosen when its best centroid scores at most `margin` below the best of all, and it is among the first `most`.
    """

    centroids: Vectors
    owner: Rows
    margin: float = 0.0
    most: int = 1

    @property
    def categories(self) -> int:
        """Number of categories, C."""
        return int(self.owner[-1]) + 1

    def scores(self, vectors: Vectors) -> Vectors:
        """[Q, C]: the best inner product of each vector with a centroid of each category."""
        starts = np.searchsorted(self.owner, np.arange(self.categories))
        best: Vectors = np.maximum.reduceat(vectors @ self.centroids.T, starts, axis=1)
        return best

    def choose(self, queries: Vectors) -> CategoryMask:
        """Mask [Q, C] of the categories to search; the best one is always among them."""
        scores = self.scores(queries)
        chosen: CategoryMask = below_best(scores) <= self.margin
        if self.most < self.categories:
            chosen &= places(scores) < self.most
        return chosen


def below_best(scores: Vectors) -> Vectors:
    """Difference [Q, C] of each score from the best of its row."""
    gap: Vectors = scores.max(axis=1, keepdims=True) - scores
    return gap


def places(scores: Vectors) -> Rows:
    """[Q, C]: the rank of each score in its row, from 0; equals in order of category."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), 1)
    return ranks


def centroids(vectors: Vectors, category: Rows, count: int, seed: int) -> Router:
    """A router with at most `count` centroids a category, one per 32 items; its rule is not fitted yet."""
    parts: list[Vectors] = []
    for number in range(int(category.max()) + 1):
        mine = vectors[category == number]
        wanted = max(1, min(count, len(mine) // _PER_CENTROID))
        parts.append(spherical_kmeans(mine, wanted, seed, _ITERATIONS, _MOST_PER_CENTROID))
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Router(np.concatenate(parts), owner)


def own(category: Rows, categories: int) -> CategoryMask:
    """Mask [Q, C] for items as queries: each searches only its own category."""
    alone: CategoryMask = category[:, None] == np.arange(categories)
    return alone


def held_frac(chosen: CategoryMask, wanted: Rows) -> float:
    """Fraction of the exact neighbours, given by category [Q, K], that is in the chosen categories."""
    return float(np.take_along_axis(chosen, wanted, axis=1).mean())


def searched_frac(chosen: CategoryMask, sizes: Rows) -> float:
    """Mean fraction of the catalogue in the chosen categories; sizes [C]: items of each category."""
    return float((chosen @ sizes).mean() / sizes.sum())


def fitted(router: Router, queries: Vectors, wanted: Rows, sizes: Rows, target: float) -> Router:
    """The router with the smallest margin, or the smallest number of categories, that reaches the target.

    wanted [Q, K]: categories of the exact neighbours. The rule that searches less of the catalogue is taken. Both are exact on
    these queries: a margin keeps exactly the neighbours within it.
    """
    scores = router.scores(queries)
    gaps = np.take_along_axis(below_best(scores), wanted, axis=1)
    ranks = np.take_along_axis(places(scores), wanted, axis=1)
    all_of_them = router.categories
    # a single query has other last digits than a batch: the fitted margin must hold for both
    by_margin = replace(router, margin=_least(gaps, target) + _LAST_DIGITS, most=all_of_them)
    by_number = replace(router, margin=NO_MARGIN, most=int(_least(ranks, target)) + 1)
    return min(by_margin, by_number, key=lambda rule: searched_frac(rule.choose(queries), sizes))


def _least(needed: NDArray[np.generic], target: float) -> float:
    """The smallest bound that at least this fraction of the values meets."""
    values = np.sort(needed, axis=None)
    return float(values[max(0, int(np.ceil(target * len(values))) - 1)])
