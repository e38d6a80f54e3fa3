"""Arms of item-to-item recommendations: what went together, what looks alike, and a bridge between both for new items.

Every arm is a ranking [Q, K] of items for Q source items. A class of support says how much is known of a source item.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ann.near_duplicates import closed_up
from models.fusion.fuse import best_sums
from models.fusion.ranked_lists import Ranked, first

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
COLLABORATIVE = ("after", "before", "together")
CONTENT = ("content", "content_new", "via_popular")
ARMS = (*COLLABORATIVE, "prod2vec", *CONTENT, "co_click")
CLASSES = NONE, THIN, KNOWN = ("none", "thin", "known")
# where the fit of the weights begins, class by class: nothing collaborative is known of an item without a session
START = np.array(
    [
        (0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.1, 0.0),
        (0.2, 0.2, 0.2, 0.0, 0.8, 0.0, 0.4, 0.0),
        (0.15, 0.15, 0.8, 0.0, 0.02, 0.0, 0.0, 0.0),
    ]
)
KNOWN_SHARE = 0.1
POPULARITY_POWER = 0.4  # of the other item's support, by which `together` is divided: 0.5 is the cosine


class CoOccurrences(NamedTuple):
    """Pairs of source items: row [P] of the source among Q, other [P] item row, and three weights [P]."""

    row: Rows
    other: Rows
    followed_by: Floats
    preceded_by: Floats
    together: Floats
    other_support: Rows


class KnownLists(NamedTuple):
    """Lists [P, K] of some items, and the place [N] of each item among them, -1 where it is not."""

    place: Rows
    lists: Ranked

    @classmethod
    def of(cls, rows: Rows, lists: Ranked, n_items: int) -> KnownLists:
        """Lists of the items in these rows."""
        place = np.full(n_items, -1, np.int64)
        place[rows] = np.arange(len(rows))
        return cls(place, lists)


def classes_of(support: Rows, thin: int) -> Rows:
    """Class of each item, as a place in CLASSES: no voice, fewer than `thin`, more."""
    return np.digitize(support, [1, thin])


def collaborative(pairs: CoOccurrences, n_rows: int, depth: int) -> dict[str, Ranked]:
    """The arms of COLLABORATIVE: what followed, what preceded, what was in one session with the source."""
    together = pairs.together / np.maximum(pairs.other_support, 1) ** POPULARITY_POWER
    scores = dict(zip(COLLABORATIVE, (pairs.followed_by, pairs.preceded_by, together), strict=True))
    return {name: _top(pairs.row, pairs.other, score, n_rows, depth) for name, score in scores.items()}


def _top(row: Rows, item: Rows, score: Floats, n_rows: int, depth: int) -> Ranked:
    there = score > 0
    return best_sums([(row[there], item[there], score[there])], np.zeros(n_rows), depth)


def content(alike: Ranked, support: Rows, thin: int, known: KnownLists, bridge: int = 3) -> dict[str, Ranked]:
    """The arms of CONTENT, of lists of items that look alike with their cosines.

    support [N] of all items. content_new: the new ones among them first, since new items are bought together; the known
    ones keep a tenth of their score, so that one new item that is hardly alike does not stand alone.
    via_popular: what went together with the `bridge` nearest of those that are no longer thin. known: their lists.
    """
    squares = squared(alike)
    there = alike.items >= 0
    is_thin = there & (support[np.maximum(alike.items, 0)] < thin)
    near = first(closed_up(alike.items, squares.scores, there & ~is_thin), bridge)
    rows = np.where(near.items >= 0, known.place[np.maximum(near.items, 0)], -1)
    return {
        "content": squares,
        "content_new": _in_order(alike.items, np.where(is_thin, squares.scores, KNOWN_SHARE * squares.scores)),
        "via_popular": through(Ranked(rows, near.scores), known.lists, alike.items.shape[1]),
    }


def squared(alike: Ranked) -> Ranked:
    """Nearest items with the squares of their cosines, so that the nearest weigh more; a cosine below 0 counts as 0."""
    squares = np.where(alike.items >= 0, np.maximum(alike.scores, 0) ** 2, -np.inf)
    return Ranked(alike.items, squares.astype(np.float32))


def _in_order(items: Rows, scores: NDArray[np.float32]) -> Ranked:
    order = np.argsort(-scores, axis=1, kind="stable")
    return Ranked(np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1))


def through(near: Ranked, lists: Ranked, depth: int) -> Ranked:
    """Lists in the rows that `near` [Q, k] names, each weighed by its score there and mixed into one list per row of it."""
    at = np.nonzero((near.items >= 0) & (near.scores > 0))
    items, scores = lists.items[near.items[at]], np.maximum(lists.scores[near.items[at]], 0).astype(np.float64)
    gains = near.scores[at][:, None] * scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)
    there = np.nonzero((items >= 0) & (gains > 0))
    return best_sums([(at[0][there[0]], items[there], gains[there])], np.zeros(len(near.items)), depth)


def without_source(ranked: Ranked, source: Rows) -> Ranked:
    """Lists without their own source item [Q]."""
    return closed_up(ranked.items, ranked.scores, (ranked.items >= 0) & (ranked.items != source[:, None]))


def learnt(alike: Ranked, support: Rows, source: Rows) -> Ranked:
    """The arm prod2vec, of nearest items with their cosines: an item without a session has no place of its own there."""
    known = (support[np.maximum(alike.items, 0)] > 0) & (support[source] > 0)[:, None]
    return closed_up(alike.items, squared(alike).scores, known & (alike.items >= 0))


def popularity(support: Rows, n_rows: int, depth: int) -> Ranked:
    """The same list for every source: the items of the most voices, the larger row first among equals."""
    best = np.lexsort((-np.arange(len(support)), -support))[:depth]
    best = best[support[best] > 0]
    return Ranked(np.tile(best, (n_rows, 1)), np.tile(support[best].astype(np.float32), (n_rows, 1)))
