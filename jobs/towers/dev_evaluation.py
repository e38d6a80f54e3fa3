"""Evaluation of towers between the epochs: R@60 and RR@60 of the dev queries, by exact search.

People's labels of dev queries decide where there are enough of them, clicks elsewhere. The two can disagree: on Home
Depot's judgements, hard negatives raised dev R@60 on clicks from .750 to .760 and lowered it on labels from .649 to
.622. Only dev queries are read here, so that the test queries of the report stay unseen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from jobs.lake.arrow import Rows
from jobs.lake.read import Pinned, read_table
from jobs.towers.dataset import TowerDataset, read_judgements
from jobs.towers.training_loop import EpochScore
from models.ann.exact import nearest
from models.ann.near_duplicates import closed_up
from models.evaluation.recall import recall_and_rr
from models.text.text_store import TextStore
from models.towers.encode import TOKEN_BUDGET, Vectors, encode_store, store_vectors
from models.towers.two_tower import TwoTower
from models.training.batches import Known

log = logging.getLogger(__name__)
CUTOFF = 60
NAMES = (f"R@{CUTOFF}", f"RR@{CUTOFF}")
DEV_QUERIES, DEV_ITEMS = 4_000, 500_000  # beyond these a seeded sample is searched
MIN_LABELLED = 50  # dev queries with a relevant item; the choice of fewer would be mostly chance
Values = NDArray[np.float64]


class DevEvaluator:
    """Dev queries of a day, their relevant items, and the items that are searched.

    judged_by: labels or clicks.
    """

    def __init__(
        self, dataset: TowerDataset, queries: TextStore, items: TextStore | None, qrels: Pinned | None = None
    ) -> None:
        """queries, items: features of the dataset's rows; None where a subclass has the items' vectors.
        qrels: judgements; used where their source is people's labels."""
        self.query_store, self.item_store = queries, items
        labels = _labels(dataset, qrels)
        self.judged_by = "clicks" if labels is None else "labels"
        self.relevant = dataset.known if labels is None else labels
        self.own_item = dataset.own_item
        clicked = np.unique(dataset.pair_query[dataset.of_split("dev")])
        self.queries, self.items = _sample(
            clicked if labels is None else _with_relevant(labels), self.relevant, dataset
        )

    @property
    def facts(self) -> dict[str, str | int]:
        """Judgements that chose the epoch, and the number of dev queries they were of."""
        return {"chosen_by": self.judged_by, "dev_queries": len(self.queries)}

    def values(self, towers: TwoTower, dim: int = 0) -> tuple[Values, Values]:
        """R@60 and RR@60 of each dev query, by the first `dim` dimensions (0: all); empty without dev queries."""
        if not len(self.queries):
            return np.zeros(0), np.zeros(0)
        queries = self.query_store.take(self.queries)
        query_vectors = prefix(encode_store(towers.forward_queries, queries, TOKEN_BUDGET, towers), dim)
        item_vectors = (prefix(chunk, dim) for chunk in self.item_vectors(towers))
        scores, places = nearest(query_vectors, item_vectors, CUTOFF + 1, towers.device)
        found = np.where(places < 0, -1, self.items[places])
        if self.own_item is not None:
            found = closed_up(found, scores, (found >= 0) & (found != self.own_item[self.queries][:, None])).items
        return recall_and_rr(found[:, :CUTOFF], self.queries, self.relevant)

    def item_vectors(self, towers: TwoTower) -> Iterable[Vectors]:
        """Vectors of the items that are searched, chunk by chunk."""
        items = self.item_store
        assert items is not None, "a subclass without features gives vectors"
        searched = items if len(self.items) == len(items) else items.take(self.items)
        return store_vectors(towers.forward_items, searched, towers)

    def __call__(self, towers: TwoTower) -> EpochScore:
        """Evaluate the towers as they are; R@60 of each query decides."""
        recall, rr = self.values(towers)
        means = (float(recall.mean()), float(rr.mean())) if len(recall) else ()
        return EpochScore(dict(zip(NAMES, means, strict=False)), recall)


def prefix(vectors: Vectors, dim: int) -> Vectors:
    """The first `dim` dimensions [N, dim] at unit norm; 0: all."""
    if not dim:
        return vectors
    cut = vectors[:, :dim]
    scaled: Vectors = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
    return scaled


def _labels(dataset: TowerDataset, qrels: Pinned | None) -> Known | None:
    """Relevant items of the dev queries by people's labels; None where too few are labelled."""
    if qrels is None or "labels" not in read_table(qrels, ["source"]).column("source").unique().to_pylist():
        return None
    relevant = read_judgements(qrels, dataset, split="dev").relevant
    if (labelled := len(_with_relevant(relevant))) < MIN_LABELLED:
        log.warning(
            "%s: %d dev queries have a relevant label, expected %d; clicks choose the epoch",
            qrels.partition,
            labelled,
            MIN_LABELLED,
        )
        return None
    return relevant


def _with_relevant(relevant: Known) -> Rows:
    return np.flatnonzero(np.diff(relevant.offsets))


def _sample(queries: Rows, relevant: Known, dataset: TowerDataset) -> tuple[Rows, Rows]:
    """Queries to search and items to search in: everything, or a seeded sample with all relevant items."""
    rng = np.random.default_rng(0)
    if not len(queries):
        log.warning("no dev query is clicked or labelled: the last epoch is kept, whether it is the best or not")
    if len(queries) > DEV_QUERIES:
        queries = np.sort(rng.choice(queries, DEV_QUERIES, replace=False))
    items = np.arange(len(dataset.item_ids))
    if len(items) > DEV_ITEMS:
        items = np.union1d(rng.choice(items, DEV_ITEMS, replace=False), relevant.of(queries)[1])
    return queries, items
