"""Overlap of arms, and repetition within lists."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.evaluation.qrels import Hits, Judged

Rows = NDArray[np.int64]


def found_only_by(judged: Judged, hits: Mapping[str, Hits], k: int) -> dict[str, float]:
    """Share of the relevant items in the first K of any arm that this arm alone has there."""
    shown = {}
    for arm, listed in hits.items():
        mask = np.zeros(len(judged.keys), np.bool_)
        mask[listed.judgement[(listed.rank <= k) & judged.relevant[listed.judgement]]] = True
        shown[arm] = mask
    count = sum(mask.astype(np.int64) for mask in shown.values())
    anywhere = max(1, int((np.asarray(count) > 0).sum()))
    return {arm: float((mask & (count == 1)).sum() / anywhere) for arm, mask in shown.items()}


def index_behind(items: Rows, n_items: int, share: float = 0.9) -> float:
    """Share of an index of N items that fills `share` of all places (P90): small where few items crowd the lists.

    items [places]: what is shown, row by row of the catalogue.
    """
    counts = np.sort(np.unique(items, return_counts=True)[1])[::-1]
    if not len(counts):
        return 0.0
    needed = int(np.searchsorted(np.cumsum(counts), share * counts.sum())) + 1
    return needed / max(1, n_items)


def duplicates(query: Rows, group: Rows) -> float:
    """Share of places whose product (group) has a higher place in the same list. query, group [places]."""
    if not len(query):
        return 0.0
    pairs = query * (int(group.max()) + 1) + group
    return 1 - len(np.unique(pairs)) / len(pairs)


def concentration(query: Rows, name: Rows) -> float:
    """Mean over lists of the probability that two drawn places share a name (Simpson): 1 where a list has one name.

    query, name [places]; lists of one place are left out.
    """
    pairs, counts = np.unique(query * (int(name.max(initial=0)) + 1) + name, return_counts=True)
    owner = pairs // (int(name.max(initial=0)) + 1)
    size = np.bincount(owner, counts)
    alike = np.bincount(owner, counts * (counts - 1.0))
    lists = size > 1
    return float((alike[lists] / (size[lists] * (size[lists] - 1))).mean()) if lists.any() else 0.0
