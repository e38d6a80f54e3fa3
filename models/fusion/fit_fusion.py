"""The fit of fusion weights to judged development queries: method, weights, k, and weights of query classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.measures import measure
from models.evaluation.qrels import Judged, hits_in
from models.evaluation.significance import holm, permutation_p
from models.fusion.fuse import METHODS, RRF, FusionWeights, fuse
from models.fusion.ranked_lists import Ranked, take

KS = (60, 20, 10)
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
FIT_DEPTH = 60
WORTH = (f"R@{FIT_DEPTH}", f"RR@{FIT_DEPTH}")
LARGEST_P = 0.05
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FusionFit:
    """weights: of hybrid. methods: a row for each method. by_class: weights of classes that have their own.

    classes: a row for each class that had enough queries to be tried.
    """

    weights: FusionWeights = field(default_factory=FusionWeights)
    methods: list[dict[str, Any]] = field(default_factory=lambda: _rows(None, FusionWeights()))
    by_class: dict[str, FusionWeights] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)


def fit_fusion(
    dense: Ranked,
    sparse: Ranked,
    relevant: Rows,
    n_items: int,
    classes: NDArray[np.str_] | None = None,
    min_queries: int = 100,
) -> FusionFit:
    """Choose weights by R@60 + RR@60 of the fusion on development queries.

    dense, sparse: Q queries. relevant: query row * n_items + item row of every relevant item. With equal
    weights a bad arm would pull a much better one down. Among equals the weights nearest to the default win;
    without a relevant item the default is kept.
    classes [Q] of queries: one with `min_queries` judged or more may get weights of its own.
    """
    if not len(relevant):
        return FusionFit()
    rows, judged = judged_of(relevant, n_items)
    arms = take(dense, rows), take(sparse, rows)
    worth = np.stack([worths(judged, fuse(*arms, FIT_DEPTH, weights)) for weights in TRIED])
    best = _best(worth)
    methods = _rows(worth, TRIED[best])
    if classes is None:
        return FusionFit(TRIED[best], methods)
    return FusionFit(TRIED[best], methods, *_fit_classes(worth, best, classes[rows], min_queries))


def judged_of(relevant: Rows, n_items: int) -> tuple[Rows, Judged]:
    """Rows of the queries with a relevant item, and the judgements of these queries. relevant: as in fit_fusion."""
    rows, query = np.unique(relevant // n_items, return_inverse=True)
    gains = np.ones(len(relevant))
    return rows, Judged.of(len(rows), n_items, query, relevant % n_items, gains, gains > 0)


def worths(judged: Judged, ranked: Ranked) -> Floats:
    """R@60 + RR@60 of each query [Q]."""
    sums: Floats = measure(judged, hits_in(judged, ranked.items), WORTH).sum(axis=1)
    return sums


def _tried() -> Iterator[FusionWeights]:
    """All weights that are tried: by method, those nearest to equal weights and to the usual k first."""
    for method in METHODS:
        ks = KS if method == RRF else KS[:1]
        tried = [FusionWeights(share, round(1 - share, 1), k, method) for k in ks for share in SHARES]
        yield from sorted(tried, key=lambda weights: (abs(weights.dense - 0.5), -weights.k))


TRIED: list[FusionWeights] = list(_tried())


def _best(worth: Floats) -> int:
    """Place of the first of the best weights, by the means of worth [V, Q]."""
    # to a tenth of a point: smaller differences are noise, and the default keeps its place
    return int(np.argmax(worth.mean(axis=1).round(3)))


def _rows(worth: Floats | None, chosen: FusionWeights) -> list[dict[str, Any]]:
    """The best weights of each method; without judgements the default ones."""
    rows = []
    for method in METHODS:
        places = [place for place, weights in enumerate(TRIED) if weights.method == method]
        best = places[0 if worth is None else _best(worth[places])]
        rows.append(
            {
                **TRIED[best]._asdict(),
                "worth": None if worth is None else float(worth[best].mean()),
                "queries": 0 if worth is None else worth.shape[1],
                "chosen": TRIED[best] == chosen,
            }
        )
    return rows


def _fit_classes(
    worth: Floats, common: int, classes: NDArray[np.str_], min_queries: int
) -> tuple[dict[str, FusionWeights], list[dict[str, Any]]]:
    """Weights of classes that gain by their own, and a row for each class that was tried.

    Weights are chosen on every other query of the class and tested on the rest: on the queries where they
    were chosen, the best of many weights looks better than it is.
    """
    tried: list[dict[str, Any]] = []
    for name in np.unique(classes).tolist():
        rows = np.flatnonzero(classes == name)
        if len(rows) < max(min_queries, 2):
            continue
        fitted_on, held_out = rows[::2], rows[1::2]
        means = worth[:, fitted_on].mean(axis=1).round(3)
        best = common if means[common] == means.max() else int(np.argmax(means))
        gains = worth[best, held_out] - worth[common, held_out]
        means_held_out = {"worth": float(worth[best, held_out].mean()), "common": float(worth[common, held_out].mean())}
        p = float(permutation_p(gains[:, None])[0])
        tried.append({"class": name, "queries": len(rows), **TRIED[best]._asdict(), **means_held_out, "p": p})
    if tried:
        corrected = holm(np.array([row["p"] for row in tried])).tolist()
        for row, p in zip(tried, corrected, strict=True):
            row.update(p=p, chosen=row["worth"] > row["common"] and p <= LARGEST_P)
    own = {
        row["class"]: FusionWeights(*(row[name] for name in FusionWeights._fields)) for row in tried if row["chosen"]
    }
    return own, tried
