"""Query selection: the classes of queries for which the dense arm adds nothing, so that a search may skip it.

Huang et al. 2020, Embedding-based Retrieval in Facebook Search, section 5.2: dense retrieval is triggered only where it is
likely to help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import mean_interval
from models.evaluation.measures import measure
from models.evaluation.qrels import hits_in
from models.fusion.fit_fusion import judged_of
from models.fusion.fuse import FusionWeights, fuse_by_class
from models.fusion.ranked_lists import Ranked, nothing, take

DEPTH = 60
MEASURES = (f"R@{DEPTH}", f"RR@{DEPTH}")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class DenseTriggers:
    """sparse_only: classes that the sparse arm serves alone. classes: a row for each class that was tried.

    with_dense, with_triggers: R@60 of the judged dev queries when all are searched by both arms, and as triggered.
    queries_frac: share of the dev queries, judged or not, that skip the dense arm.
    """

    sparse_only: list[str] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)
    with_dense: float | None = None
    with_triggers: float | None = None
    queries_frac: float = 0.0


def fit_triggers(
    arms: tuple[Ranked, Ranked],
    weights: FusionWeights,
    by_class: Mapping[str, FusionWeights],
    classes: NDArray[np.str_],
    relevant: Rows,
    n_items: int,
    min_queries: int,
    min_gain: float,
) -> DenseTriggers:
    """Find the classes in which dense surely adds less than min_gain to R@60, and no more than that to RR@60.

    arms: dense and sparse lists of Q queries, fused by `weights` and those of each class. classes [Q]: of each query.
    relevant: query row * n_items + item row. A class needs min_queries judged ones; one with fewer keeps the dense arm.
    """
    if not len(relevant) or not min_gain:
        return DenseTriggers()
    rows, judged = judged_of(relevant, n_items)
    dense, sparse = (take(arm, rows) for arm in arms)
    both, alone = (
        measure(
            judged, hits_in(judged, fuse_by_class(arm, sparse, DEPTH, weights, by_class, classes[rows]).items), MEASURES
        )
        for arm in (dense, nothing(*dense.items.shape))
    )
    tried: list[dict[str, Any]] = []
    for name in np.unique(classes[rows]).tolist():
        mine = classes[rows] == name
        if mine.sum() < max(2, min_queries):
            continue
        gain, gain_rr = (both - alone)[mine].T
        span = mean_interval(gain)
        skips = bool(span.high < min_gain and gain_rr.mean() <= min_gain)
        figures = {"gain": tuple(span), "gain_rr": float(gain_rr.mean()), "sparse_only": skips}
        tried.append({"class": name, "queries": int(mine.sum()), **figures})
    skipped = [row["class"] for row in tried if row["sparse_only"]]
    served = np.where(np.isin(classes[rows], skipped), alone[:, 0], both[:, 0])
    frac = float(np.isin(classes, skipped).mean())
    return DenseTriggers(skipped, tried, float(both[:, 0].mean()), float(served.mean()), frac)


def skipping(dense: Ranked, classes: NDArray[np.str_], sparse_only: list[str]) -> Ranked:
    """The dense lists [Q], empty for queries of the classes that skip them."""
    skipped = np.isin(classes, sparse_only)[:, None]
    empty = nothing(*dense.items.shape)
    return Ranked(np.where(skipped, empty.items, dense.items), np.where(skipped, empty.scores, dense.scores))
