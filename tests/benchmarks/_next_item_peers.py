"""Peers of recommendations, each by its usual recipe and settings: popularity, co-session cosine, sequential rules, RRF."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from models.fusion.fuse import reciprocal_rank_fusion
from models.fusion.ranked_lists import Ranked

Rows = NDArray[np.int64]
DEPTH = 26
WINDOW, RRF_K = 3, 9  # 9: the first rank counts 1/10


def peers(sessions: list[Rows], n_items: int, source: Rows, titles: list[str]) -> dict[str, Ranked]:
    """The first 26 items of each peer for source items [Q], -1 for one that training lacks. titles [N]: all empty: without
    the peer that reads them."""
    visits = counts(sessions, n_items)
    lists = {
        "kNN, co-session cosine": best_of(together(sessions, n_items), visits**0.5, source),
        "sequential rules, w=3": best_of(_rules(sessions, n_items), np.ones(n_items), source),
    }
    top = np.argsort(-visits, kind="stable")[:DEPTH]
    seen = visits[top].astype(np.float32)
    popular = Ranked(np.tile(top, (len(source), 1)), np.tile(seen, (len(source), 1)))
    both = reciprocal_rank_fusion([some.items for some in lists.values()], DEPTH, RRF_K)
    alike = {"content, TF-IDF of titles": _alike(titles, source)} if any(titles) else {}
    return {"popularity": popular, **lists, "RRF of kNN and rules": both, **alike}


def _alike(titles: list[str], source: Rows) -> Ranked:
    """Cosine of TF-IDF vectors of the titles."""
    words = sparse.csr_matrix(TfidfVectorizer().fit_transform(titles))
    return best_of(sparse.csr_matrix(words @ words.T), np.ones(len(titles)), source)


def cosines(sets: list[Rows], n_items: int, k: int = 0) -> sparse.csr_matrix:
    """Cosine [N, N] of the sets, baskets or customers, that two items are in; k: each item keeps its nearest, 0: all."""
    shared = together(sets, n_items)
    norm = sparse.diags(1 / np.sqrt(np.maximum(shared.diagonal(), 1)))
    alike = sparse.csr_matrix(norm @ shared @ norm)
    alike.setdiag(0)
    alike.eliminate_zeros()
    if k:
        lists = best_of(alike, np.ones(n_items), np.arange(n_items), k)
        at = np.nonzero(lists.items >= 0)
        alike = sparse.csr_matrix((lists.scores[at], (at[0], lists.items[at])), (n_items, n_items))
    return alike


def counts(sessions: list[Rows], n_items: int) -> NDArray[np.float64]:
    """Visits of each item, 1 at least."""
    return np.maximum(np.bincount(np.concatenate(sessions), minlength=n_items), 1).astype(np.float64)


def together(sessions: list[Rows], n_items: int) -> sparse.csr_matrix:
    """Sessions that two items share [N, N]."""
    number = np.repeat(np.arange(len(sessions)), [len(some) for some in sessions])
    shape = (len(sessions), n_items)
    visits = sparse.csr_matrix((np.ones(len(number), np.float32), (number, np.concatenate(sessions))), shape)
    visits.data[:] = 1
    return sparse.csr_matrix(visits.T @ visits)


def _rules(sessions: list[Rows], n_items: int) -> sparse.csr_matrix:
    flat = np.concatenate(sessions)
    starts = np.cumsum([0, *(len(some) for some in sessions)])
    number = np.repeat(np.arange(len(sessions)), [b - a for a, b in pairwise(starts)])
    parts = []
    for gap in range(1, WINDOW + 1):
        same = number[:-gap] == number[gap:]
        first, second = flat[:-gap][same], flat[gap:][same]
        parts.append(sparse.csr_matrix((np.full(len(first), 1 / gap), (first, second)), (n_items, n_items)))
    return sparse.csr_matrix(sum(parts[1:], parts[0]))


def best_of(matrix: sparse.csr_matrix, weight: NDArray[np.float64], source: Rows, depth: int = DEPTH) -> Ranked:
    """The first `depth` of each source row, scores divided by `weight` [N] of the item."""
    dense = matrix[np.maximum(source, 0)].toarray() / weight
    dense[np.arange(len(source)), np.maximum(source, 0)] = 0
    order = np.argsort(-dense, axis=1, kind="stable")[:, :depth]
    scores = np.take_along_axis(dense, order, axis=1).astype(np.float32)
    there = (scores > 0) & (source >= 0)[:, None]
    return Ranked(np.where(there, order, -1), np.where(there, scores, -np.inf))
