"""Near-duplicates in a list of items: those too close to a better-ranked one, or to the item that is the query.

The same product offered by many sellers has nearly one vector; without this a list of ten shows one thing ten times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.ann.repeats import repeats
from models.fusion.ranked_lists import Ranked
from models.training.batches import Known, Rows

Vectors = NDArray[np.float32]
Kept = NDArray[np.bool_]
VectorsOf = Callable[[Rows], Vectors]
KEEP_ALL = 2.0  # above every cosine: nothing is dropped
THRESHOLDS = (*(round(0.80 + 0.01 * step, 2) for step in range(20)), 0.995, 0.999, KEEP_ALL)
_ROUNDING = 1e-6
_FLOATS = 1 << 26  # of vectors and of their cosines held at a time


def deduplicate(
    items: Rows, scores: Vectors, of_items: VectorsOf, threshold: float, queries: Vectors | None = None
) -> Ranked:
    """Drop near-duplicates from lists [Q, K]; what stays moves up, and -1 with score -inf fills the end.

    items, best first, -1 where a list has ended; of_items returns the unit vectors [n, D] of item rows. An item
    is dropped when its cosine with a kept item above it reaches the threshold. Where queries are items too
    (queries: their vectors [Q, D]), it is also dropped when its cosine with the query does. A dropped item drops
    no others: the ends of a chain of small steps may differ.
    """
    stays = np.zeros(items.shape, np.bool_)
    for part, cosines, to_query in _blocks(items, of_items, queries):
        stays[part] = kept(items[part] >= 0, cosines, to_query, threshold)
    return closed_up(items, scores, stays)


def kept(there: Kept, cosines: Vectors, to_query: Vectors | None, threshold: float) -> Kept:
    """Mask [Q, K] of the items that stay, by their cosines with each other [Q, K, K] and with the query [Q, K]."""
    stays = there if to_query is None else there & (to_query < threshold - _ROUNDING)
    above = np.tril(np.ones(cosines.shape[1:], np.bool_), -1)
    # the cosine of two equal vectors is 1 less a rounding that differs from place to place
    alike = (cosines >= threshold - _ROUNDING) & above & stays[:, None, :]
    stays = stays.copy()
    # rank by rank: whether an item stays follows from those above it that stay; most ranks have no near-duplicate
    for rank in np.flatnonzero(alike.any(axis=(0, 2))):
        stays[:, rank] &= ~(alike[:, rank] & stays).any(axis=1)
    return stays


def closed_up(items: Rows, scores: Vectors, stays: Kept) -> Ranked:
    """The items that stay, in their order, without gaps."""
    order = np.argsort(~stays, axis=1, kind="stable")
    full = np.take_along_axis(stays, order, axis=1)
    return Ranked(
        np.where(full, np.take_along_axis(items, order, axis=1), -1),
        np.where(full, np.take_along_axis(scores, order, axis=1), -np.inf).astype(np.float32),
    )


def _blocks(
    items: Rows, of_items: VectorsOf, queries: Vectors | None = None
) -> Iterator[tuple[slice, Vectors, Vectors | None]]:
    """Some lists at a time: cosines of their items with each other, and with their queries."""
    count, depth = items.shape
    dim = of_items(np.zeros(1, np.int64)).shape[1]
    size = max(1, _FLOATS // max(1, depth * (depth + dim)))
    for start in range(0, count, size):
        part = slice(start, start + size)
        rows = np.maximum(items[part], 0)
        vectors = of_items(rows.ravel()).reshape(*rows.shape, dim)
        to_query = None if queries is None else (vectors @ queries[part, :, None])[:, :, 0]
        yield part, vectors @ vectors.transpose(0, 2, 1), to_query


@dataclass(frozen=True)
class ThresholdRow:
    """Effects of a threshold on the first K of the lists. Shares are of the lists without a threshold.

    duplicates: mean number of items whose group has a better-ranked item in the list. duplicates_removed: share
    of them that is dropped. groups_lost: share of the relevant groups that are no longer found, below
    0 where items that moved up bring more than were dropped. items_lost: the same for relevant items. length: mean
    number of items that stay in a whole list.
    """

    threshold: float
    duplicates: float
    duplicates_removed: float
    groups_lost: float
    items_lost: float
    length: float


@dataclass(frozen=True)
class NearDuplicateFit:
    """The chosen threshold (KEEP_ALL: nothing is dropped), the rule that chose it, and a row for each that was tried."""

    threshold: float
    rule: str
    curve: list[ThresholdRow]


def fit_near_duplicates(
    items: Rows,
    of_items: VectorsOf,
    group: Rows,
    relevant: Known,
    depth: int = 60,
    max_lost: float = 0.005,
    thresholds: Sequence[float] = THRESHOLDS,
) -> NearDuplicateFit:
    """Sweep thresholds over lists [Q, K] of dev queries and choose one.

    group [N]: items of one group are true duplicates (see groups_of). relevant: judged items of query
    rows 0 to Q. The rule: the most duplicates removed among thresholds that lose at most max_lost of the
    relevant groups; of equals the highest. A dropped offer is no loss while the list has another offer
    of its product; items_lost counts offers.
    """
    judged = partial(relevant.contains, np.arange(len(items))[:, None])
    tried = sorted({*thresholds, KEEP_ALL}, reverse=True)
    shown = {threshold: np.full((len(items), depth), -1, np.int64) for threshold in tried}
    lengths = dict.fromkeys(tried, 0)
    no_scores = np.zeros(items.shape, np.float32)
    for part, cosines, _ in _blocks(items, of_items):
        for threshold in tried:
            stays = kept(items[part] >= 0, cosines, None, threshold)
            lengths[threshold] += int(stays.sum())
            top = closed_up(items[part], no_scores[part], stays).items[:, :depth]
            shown[threshold][part, : top.shape[1]] = top
    whole = _count(shown[KEEP_ALL], group, judged)
    curve = [
        _row(limit, whole, _count(shown[limit], group, judged), lengths[limit] / max(1, len(items)), len(items))
        for limit in tried
    ]
    if not whole.relevant_groups:
        return NearDuplicateFit(KEEP_ALL, "no relevant item is found: nothing to fit on, nothing is dropped", curve)
    holding = [row for row in curve if row.groups_lost <= max_lost]
    best = max(holding, key=lambda row: (row.duplicates_removed, row.threshold))
    rule = f"most duplicates removed from the first {depth} with at most {max_lost:.1%} of the relevant groups lost"
    return NearDuplicateFit(best.threshold, rule, curve[::-1])


@dataclass(frozen=True)
class _Count:
    duplicates: int
    relevant_groups: int
    relevant_items: int


def _count(shown: Rows, group: Rows, judged: Callable[[Rows], Kept]) -> _Count:
    """Duplicates, and relevant groups and items, in lists [Q, k]."""
    there = shown >= 0
    # places without an item get groups of their own, so that they repeat nothing
    alone = group.max(initial=0) + 1 + np.arange(shown.shape[1])
    groups = np.where(there, group[np.maximum(shown, 0)], alone)
    first = np.broadcast_to(there, shown.shape)
    right = judged(shown) & there
    relevant_groups = np.where(right, groups, alone)
    repeated = repeats(relevant_groups, first) & right
    return _Count(int(repeats(groups, first).sum()), int((right & ~repeated).sum()), int(right.sum()))


def _row(threshold: float, whole: _Count, left: _Count, length: float, lists: int) -> ThresholdRow:
    def gone(before: int, after: int) -> float:
        return 1 - after / before if before else 0.0

    return ThresholdRow(
        threshold,
        left.duplicates / max(1, lists),
        gone(whole.duplicates, left.duplicates),
        gone(whole.relevant_groups, left.relevant_groups),
        gone(whole.relevant_items, left.relevant_items),
        length,
    )


def groups_of(group_ids: Sequence[str], item_ids: Sequence[str], titles: Sequence[str]) -> Rows:
    """The group [N] of each item: by group_id where it has one, by normalised title where not.

    A group_id that is the item's own id, and no other item's, makes no group. Neither does an empty title.
    """
    shared = np.unique(np.array([*group_ids], np.str_), return_inverse=True, return_counts=True)
    alone = shared[2][shared[1]] == 1
    names = [
        f"g{group}" if group and not (group == item and single) else f"t{title}" if title else f"i{item}"
        for group, item, title, single in zip(group_ids, item_ids, titles, alone, strict=True)
    ]
    groups: Rows = np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)
    return groups
