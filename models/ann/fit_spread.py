"""Clusters of the catalogue, and the number of them that a list is spread over, fitted on judged queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.spread import Rows, spread
from models.evaluation.arm_overlap import concentration
from models.evaluation.recall import recall_and_rr
from models.fusion.ranked_lists import Ranked
from models.training.batches import Known

NEAREST = (1, 2, 4, 8, 16, 32, 64, 128)  # numbers of clusters that are tried
DEPTH, TOP = 60, 10
MAX_LOST = 0.01  # of R@60
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class SpreadFit:
    """nearest: the number M of clusters that was chosen. front: a row for each number that was tried."""

    nearest: int = 1
    front: list[dict[str, Any]] = field(default_factory=list)


def train_clusters(vectors: Vectors, count: int, seed: int) -> Vectors:
    """Centroids [M, D] of unit norm by k-means."""
    kmeans = faiss.Kmeans(vectors.shape[1], min(count, len(vectors)), niter=10, seed=seed, spherical=True)
    kmeans.cp.min_points_per_centroid = 1  # else FAISS prints a warning for small catalogues
    kmeans.train(np.ascontiguousarray(vectors, np.float32))
    centroids: Vectors = kmeans.centroids
    return centroids


def nearest_cluster(vectors: Vectors, centroids: Vectors) -> NDArray[np.int32]:
    """Cluster [N] of each vector [N, D]."""
    given = np.ascontiguousarray(vectors, np.float32)
    labels: NDArray[np.int32] = faiss.knn(given, centroids, 1, metric=faiss.METRIC_INNER_PRODUCT)[1][:, 0].astype(
        np.int32
    )
    return labels


def fit_spread(ranked: Ranked, clusters: NDArray[np.int32], category: Rows, known: Known) -> SpreadFit:
    """Choose the number of clusters: the least concentration of categories at 1% of R@60 lost at most.

    category [N]: of each item row, -1 for none. known: relevant items of the query rows. Concentration: probability
    that two of the first ten places share a category.
    """
    asked = np.flatnonzero(known.counts(np.arange(len(ranked.items))) > 0)
    front = []
    for nearest in NEAREST:
        lists = spread(ranked, clusters, nearest).items
        recall = float(recall_and_rr(lists[asked, :DEPTH], asked, known)[0].mean()) if len(asked) else 0.0
        front.append({"nearest": nearest, f"R@{DEPTH}": recall, "category": _concentration(lists, category)})
    least = (1 - MAX_LOST) * front[0][f"R@{DEPTH}"]
    held = [row for row in front if row[f"R@{DEPTH}"] >= least]
    best = min(held, key=lambda row: (row["category"], row["nearest"]))
    return SpreadFit(int(best["nearest"]), front)


def _concentration(lists: Rows, category: Rows) -> float:
    top = lists[:, :TOP]
    query, place = np.nonzero((top >= 0) & (np.where(top >= 0, category[top], -1) >= 0))
    return concentration(query, category[top[query, place]])
