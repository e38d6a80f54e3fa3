"""Rankings as matrices of item rows, and their order among equals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Ranked(NamedTuple):
    """A ranking of Q queries to depth K.

    items int64 [Q, K]: item rows, best first, -1 where the list has ended.
    scores float32 [Q, K]: falling along a row, -inf where the list has ended.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


def trec_order(items: NDArray[np.int64], scores: NDArray[np.float32]) -> Ranked:
    """Order each row as trec_eval reads a run file: by score as float32, equals by larger item.

    Where item rows are in the order of item ids (as in a bundle), this is trec_eval's own tie
    rule, so that a run file measured elsewhere gives the same figures.
    """
    narrow = np.where(items < 0, -np.inf, scores).astype(np.float32)
    order = np.lexsort((-items, -narrow), axis=-1)
    return Ranked(np.take_along_axis(items.astype(np.int64), order, axis=1), np.take_along_axis(narrow, order, axis=1))


def first(ranked: Ranked, depth: int) -> Ranked:
    """The first `depth` places of each list."""
    return Ranked(ranked.items[:, :depth], ranked.scores[:, :depth])


def take(ranked: Ranked, rows: NDArray[np.int64] | list[int]) -> Ranked:
    """The lists of some queries, by their rows."""
    return Ranked(ranked.items[rows], ranked.scores[rows])


def nothing(queries: int, depth: int) -> Ranked:
    """Empty lists: those of an arm that was not searched."""
    return Ranked(np.full((queries, depth), -1, np.int64), np.full((queries, depth), -np.inf, np.float32))


def stacked(rankings: Sequence[Ranked]) -> Ranked:
    """One ranking of the queries of all, as deep as the longest list; shorter ones end in -1 and -inf."""
    depth = max((ranked.items.shape[1] for ranked in rankings), default=0)
    count = sum(len(ranked.items) for ranked in rankings)
    items, scores = np.full((count, depth), -1, np.int64), np.full((count, depth), -np.inf, np.float32)
    row = 0
    for ranked in rankings:
        part = slice(row, row + len(ranked.items)), slice(ranked.items.shape[1])
        items[part], scores[part] = ranked
        row += len(ranked.items)
    return Ranked(items, scores)
