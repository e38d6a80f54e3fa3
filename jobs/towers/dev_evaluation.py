"""What a training is judged by between its epochs: recall of the dev queries, by exact search."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from jobs.towers.dataset import Learning
from models.ann.exact import nearest
from models.evaluation.recall import recall_and_rr
from models.towers.encode import TOKEN_BUDGET, Vectors, encode_store, store_vectors
from models.towers.two_tower import TwoTower
from models.training.examples import Examples

log = logging.getLogger(__name__)
CUTOFF = 60
DEV_QUERIES, DEV_ITEMS = 4_000, 500_000  # beyond these a seeded sample is searched
Values = NDArray[np.float64]


class Judge:
    """The dev queries of a day and the items they are searched in."""

    def __init__(self, learning: Learning, examples: Examples) -> None:
        self.examples = examples
        self.queries, self.items = _dev_rows(learning)

    def __call__(self, towers: TwoTower, dim: int = 0) -> tuple[Values, Values]:
        """R@60 and RR@60 of each dev query, by the first `dim` dimensions; empty where there is none."""
        if not len(self.queries):
            return np.zeros(0), np.zeros(0)
        queries, items = self.examples.queries.take(self.queries), self.examples.items
        if len(self.items) < len(items):
            items = items.take(self.items)
        asked = encode_store(towers.forward_queries, queries, TOKEN_BUDGET, towers)
        sold = store_vectors(towers.forward_items, items, towers)
        _, places = nearest(prefix(asked, dim), (prefix(one, dim) for one in sold), CUTOFF, towers.device)
        found = np.where(places < 0, -1, self.items[places])
        return recall_and_rr(found, self.queries, self.examples.known)


def prefix(vectors: Vectors, dim: int) -> Vectors:
    """The first `dim` dimensions [N, dim] at unit norm; 0: all."""
    if not dim:
        return vectors
    cut = vectors[:, :dim]
    found: Vectors = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
    return found


def _dev_rows(learning: Learning) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queries to search and items to search in: everything, or a seeded sample with all positives."""
    rng = np.random.default_rng(0)
    of_dev = learning.of_split("dev")
    queries = np.unique(learning.pair_query[of_dev])
    if not len(queries):
        log.warning("no pair of split dev: the last epoch is kept, whether it is the best or not")
    if len(queries) > DEV_QUERIES:
        queries = np.sort(rng.choice(queries, DEV_QUERIES, replace=False))
    items = np.arange(len(learning.item_ids))
    if len(items) > DEV_ITEMS:
        relevant = learning.pair_item[np.isin(learning.pair_query, queries)]
        items = np.union1d(rng.choice(items, DEV_ITEMS, replace=False), relevant)
    return queries, items
