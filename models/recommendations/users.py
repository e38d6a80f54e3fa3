"""User to item, three ways: interleaved lists of visited items, the mean of their vectors, and matrix factorisation."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.ann.exact import nearest, pieces
from models.ann.near_duplicates import closed_up
from models.fusion.fuse import best_sums
from models.fusion.ranked_lists import Ranked, first
from models.recommendations.word_vectors import unit

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Matrix: TypeAlias = Any  # scipy's csr_matrix, which comes without types
LISTS, MEAN, ALS = WAYS = ("lists", "vectors", "als")


class Factors(NamedTuple):
    """Settings of matrix factorisation by implicit's ALS."""

    factors: int = 64
    iterations: int = 15
    regularization: float = 0.05
    alpha: float = 10.0
    seed: int = 0


def histories(user: Rows, item: Rows, n_users: int, n_items: int, decay: float) -> Matrix:
    """Weights [U, N] of visited items: decay to the power of the visits that came after. Visits in order of time."""
    order = np.argsort(user, kind="stable")
    ends = np.searchsorted(user[order], user[order], side="right")
    weight = np.float64(decay) ** (ends - 1 - np.arange(len(order)))
    made = sparse.coo_matrix((weight, (user[order], item[order])), shape=(n_users, n_items))
    return sparse.csr_matrix(made)


def list_matrix(lists: Ranked, n_items: int) -> Matrix:
    """Item-to-item lists [N, K] as a matrix [N, N] of their scores."""
    at = np.nonzero((lists.items >= 0) & (lists.scores > 0))
    return sparse.csr_matrix(
        (lists.scores[at].astype(np.float64), (at[0], lists.items[at])), (len(lists.items), n_items)
    )


def by_lists(visits: Matrix, neighbours: Matrix, hidden: Matrix, depth: int) -> Ranked:
    """The lists of visited items, interleaved by the weight of each visit. hidden [U, N]: items not to be shown."""
    scores = sparse.coo_matrix(_without(sparse.csr_matrix(visits @ neighbours), hidden))
    row, item = scores.row.astype(np.int64), scores.col.astype(np.int64)
    return best_sums([(row, item, scores.data)], np.zeros(visits.shape[0]), depth)


def by_vectors(visits: Matrix, vectors: Vectors, hidden: Matrix, depth: int) -> Ranked:
    """Items nearest to the weighed mean of the visited items' vectors [N, D]."""
    return _visible(*nearest(unit(visits @ vectors), pieces(vectors), _deeper(hidden, depth)), hidden, depth)


def fit_factors(visits: Matrix, settings: Factors) -> tuple[Vectors, Vectors]:
    """Factors of users [U, F] and items [N, F]. One thread and a seed, so that equal input makes equal factors."""
    from implicit.als import AlternatingLeastSquares

    options: dict[str, Any] = {name: value for name, value in settings._asdict().items() if name != "seed"}
    model: Any = AlternatingLeastSquares(**options, random_state=settings.seed, num_threads=1)
    model.fit(sparse.csr_matrix(visits, dtype=np.float32), show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)


def by_factors(users: Vectors, items: Vectors, hidden: Matrix, depth: int) -> Ranked:
    """Items of the largest products with each user's factors."""
    return _visible(*nearest(users, pieces(items), _deeper(hidden, depth)), hidden, depth)


def _deeper(hidden: Matrix, depth: int) -> int:
    """A depth at which `depth` items are left when the hidden ones are gone."""
    return int(min(hidden.shape[1], depth + int(np.diff(hidden.indptr).max(initial=0))))


def _without(scores: Matrix, hidden: Matrix) -> Matrix:
    mask = sparse.csr_matrix((np.ones(hidden.nnz), hidden.indices, hidden.indptr), hidden.shape)
    return sparse.csr_matrix(scores - scores.multiply(mask))


def _visible(scores: Vectors, items: Rows, hidden: Matrix, depth: int) -> Ranked:
    """Lists without hidden items, closed up."""
    n_items = hidden.shape[1]
    owner = np.repeat(np.arange(hidden.shape[0]), np.diff(hidden.indptr))
    keys = np.sort(owner * n_items + hidden.indices)
    asked = np.arange(len(items))[:, None] * n_items + items
    at = np.searchsorted(keys, asked).clip(max=max(0, len(keys) - 1))
    is_hidden = keys[at] == asked if len(keys) else np.zeros(items.shape, np.bool_)
    return first(closed_up(items, scores, (items >= 0) & ~is_hidden), depth)
