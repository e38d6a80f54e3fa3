"""Diversity by clusters: a list of items from the M nearest clusters, at most m of each.

Wang et al. 2021, Personalized Embedding-based e-Commerce Recommendations at eBay: the catalogue is clustered, a query
searches the nearest M clusters and keeps m_i items of each. With M = 1 nothing is limited: plain nearest neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.fusion.ranked_lists import Ranked

Rows = NDArray[np.int64]


def spread(ranked: Ranked, clusters: NDArray[np.int32], nearest: int) -> Ranked:
    """Keep of each list [K] its first M clusters, those of the best items first, and ceil(K / M) items of each.

    clusters [N]: of each item row. Order and scores stay; what is dropped leaves the end of a list empty.
    """
    if nearest <= 1:
        return ranked
    items, scores = ranked
    there = items >= 0
    of_item = np.where(there, clusters[items], -1).astype(np.int64)
    earlier = _occurrence(of_item)
    # number of each item's cluster in the order of the list, from 1
    row, column = np.nonzero(there & (earlier == 0))
    number = np.zeros((len(items), int(of_item.max(initial=0)) + 1), np.int64)
    number[row, of_item[row, column]] = np.cumsum(there & (earlier == 0), axis=1)[row, column]
    near = np.take_along_axis(number, np.maximum(of_item, 0), axis=1) <= nearest
    kept = there & near & (earlier < -(-items.shape[1] // nearest))
    back = np.argsort(~kept, axis=1, kind="stable")
    kept = np.take_along_axis(kept, back, axis=1)
    return Ranked(
        np.where(kept, np.take_along_axis(items, back, axis=1), -1),
        np.where(kept, np.take_along_axis(scores, back, axis=1), -np.inf).astype(np.float32),
    )


def _occurrence(values: Rows) -> Rows:
    """Number of times [Q, K] that each value stands before in its row."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    starts = np.ones(ordered.shape, np.bool_)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    since = place - np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    occurrence = np.empty_like(values)
    np.put_along_axis(occurrence, order, since, axis=1)
    return occurrence
