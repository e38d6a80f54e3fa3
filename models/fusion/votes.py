"""How two arms are fused into hybrid: one vote for all queries, or one of its own for a class of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation.query_slices import lengths, model_numbers
from models.fusion.convex import NORMS, convex_combination
from models.fusion.ranked_lists import RRF_K, Ranked, reciprocal_rank_fusion

RRF = "rrf"
METHODS = (RRF, *NORMS)
MODEL_NUMBER = "model number"


class Vote(NamedTuple):
    """How two arms are fused: the weight of each, the method, and RRF's k. A small k lets first ranks decide."""

    dense: float = 0.5
    sparse: float = 0.5
    k: int = RRF_K
    method: str = RRF


def fuse(dense: Ranked, sparse: Ranked, depth: int, vote: Vote) -> Ranked:
    """Fuse two rankings of the same queries as the vote says.

    Raises:
        ValueError: the vote's method is none of METHODS.
    """
    if vote.method not in METHODS:
        raise ValueError(f"method {vote.method!r}: expected {', '.join(METHODS)}")
    weights = (vote.dense, vote.sparse)
    if vote.method == RRF:
        return reciprocal_rank_fusion((dense.items, sparse.items), depth, vote.k, weights)
    return convex_combination((dense, sparse), weights, depth, vote.method)


def fuse_by_class(
    dense: Ranked, sparse: Ranked, depth: int, vote: Vote, own: Mapping[str, Vote], classes: NDArray[np.str_]
) -> Ranked:
    """The same, where the queries of some classes [Q] have a vote of their own."""
    fused = fuse(dense, sparse, depth, vote)
    for name, theirs in own.items():
        rows = np.flatnonzero(classes == name)
        if len(rows):
            found = fuse(_some(dense, rows), _some(sparse, rows), depth, theirs)
            fused.items[rows], fused.scores[rows] = found
    return fused


def classes_of(queries: Sequence[str]) -> NDArray[np.str_]:
    """The class of each normalised query [Q], known from its text alone: `model number`, else its length."""
    return np.where(model_numbers(queries), MODEL_NUMBER, lengths(queries))


def _some(ranked: Ranked, rows: NDArray[np.int64]) -> Ranked:
    return Ranked(ranked.items[rows], ranked.scores[rows])
