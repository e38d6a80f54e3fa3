"""The fit of votes to judged development queries: method, weights, k, and classes that deserve a vote of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.measures import measure
from models.evaluation.qrels import Judged, hits_in
from models.evaluation.significance import holm, permutation_p
from models.fusion.ranked_lists import Ranked
from models.fusion.votes import METHODS, RRF, Vote, fuse

KS = (60, 20, 10)
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
FIT_DEPTH = 60
WORTH = (f"R@{FIT_DEPTH}", f"RR@{FIT_DEPTH}")
LARGEST_P = 0.05
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """vote: of hybrid. methods: a row for each method. by_class: votes of classes that have their own.

    classes: a row for each class that had enough queries to be tried.
    """

    vote: Vote = field(default_factory=Vote)
    methods: list[dict[str, Any]] = field(default_factory=lambda: _rows(None, Vote()))
    by_class: dict[str, Vote] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)


def fit_votes(
    dense: Ranked,
    sparse: Ranked,
    relevant: Rows,
    n_items: int,
    classes: NDArray[np.str_] | None = None,
    least_queries: int = 100,
) -> Fitted:
    """Choose by R@60 + RR@60 of the fusion on development queries.

    dense, sparse: Q queries. relevant: query row * n_items + item row of every relevant item. An arm
    that is much better than the other must not be dragged down by an equal vote. Among equals the vote
    nearest to the default wins; without a relevant item it is the default.
    classes [Q] of queries: one with `least_queries` judged or more may get its own vote.
    """
    rows = np.unique(relevant // max(n_items, 1))
    if not len(rows):
        return Fitted()
    query = np.searchsorted(rows, relevant // n_items)
    every = np.ones(len(relevant))
    judged = Judged.of(len(rows), n_items, query, relevant % n_items, every, every > 0)
    arms = [Ranked(arm.items[rows], arm.scores[rows]) for arm in (dense, sparse)]
    worth = np.stack([worths(judged, fuse(arms[0], arms[1], FIT_DEPTH, vote)) for vote in VOTES])
    best = _best(worth)
    found = _rows(worth, VOTES[best])
    if classes is None:
        return Fitted(VOTES[best], found)
    by_class, tried = _own_votes(worth, best, classes[rows], least_queries)
    return Fitted(VOTES[best], found, by_class, tried)


def worths(judged: Judged, ranked: Ranked) -> Floats:
    """What a ranking is worth to each query [Q]: R@60 + RR@60."""
    found: Floats = measure(judged, hits_in(judged, ranked.items), WORTH).sum(axis=1)
    return found


def _votes() -> Iterator[Vote]:
    """Every vote that is tried: method by method, those nearest to an equal vote and to the usual k first."""
    for method in METHODS:
        ks = KS if method == RRF else KS[:1]
        votes = [Vote(share, round(1 - share, 1), k, method) for k in ks for share in SHARES]
        yield from sorted(votes, key=lambda vote: (abs(vote.dense - 0.5), -vote.k))


VOTES: list[Vote] = list(_votes())


def _best(worth: Floats) -> int:
    """The first of the best votes, by the means of worth [V, Q]."""
    # to a tenth of a point: what lies below is noise, and the default keeps its place
    return int(np.argmax(worth.mean(axis=1).round(3)))


def _rows(worth: Floats | None, chosen: Vote) -> list[dict[str, Any]]:
    """The best vote of each method; unfitted, without judgements, the default one."""
    found = []
    for method in METHODS:
        mine = [row for row, vote in enumerate(VOTES) if vote.method == method]
        best = mine[0 if worth is None else _best(worth[mine])]
        found.append(
            {
                **VOTES[best]._asdict(),
                "worth": None if worth is None else float(worth[best].mean()),
                "queries": 0 if worth is None else worth.shape[1],
                "chosen": VOTES[best] == chosen,
            }
        )
    return found


def _own_votes(
    worth: Floats, common: int, classes: NDArray[np.str_], least_queries: int
) -> tuple[dict[str, Vote], list[dict[str, Any]]]:
    """Votes of classes that gain by them, and a row for each that was tried.

    A vote is chosen on every other query of the class and tested on the rest: tested where it was
    chosen, the best of many votes looks better than it is.
    """
    tried: list[dict[str, Any]] = []
    for name in np.unique(classes).tolist():
        rows = np.flatnonzero(classes == name)
        if len(rows) < max(least_queries, 2):
            continue
        fitted_on, held = rows[::2], rows[1::2]
        means = worth[:, fitted_on].mean(axis=1).round(3)
        best = common if means[common] == means.max() else int(np.argmax(means))
        gains = worth[best, held] - worth[common, held]
        told = {"worth": float(worth[best, held].mean()), "common": float(worth[common, held].mean())}
        p = float(permutation_p(gains[:, None])[0])
        tried.append({"class": name, "queries": len(rows), **VOTES[best]._asdict(), **told, "p": p})
    if tried:
        corrected = holm(np.array([row["p"] for row in tried])).tolist()
        for row, p in zip(tried, corrected, strict=True):
            row.update(p=p, chosen=row["worth"] > row["common"] and p <= LARGEST_P)
    own = {row["class"]: Vote(*(row[name] for name in Vote._fields)) for row in tried if row["chosen"]}
    return own, tried
