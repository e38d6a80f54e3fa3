"""Near-duplicates in a bundle's answers: the threshold that its index was fitted to, and dropping them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
import pyarrow.compute as pc

from jobs.lake.arrow import Rows, Strings, pick, strings, texts
from jobs.lake.read import Pinned, read_table
from models.ann.families import parts
from models.ann.near_duplicates import KEEP_ALL, Collapse, VectorsOf, collapse, fit_collapse, groups_of
from models.fusion.ranked_lists import Ranked
from models.text.normalise import normalise_query
from models.training.batches import Known

OFF, AUTO = "off", "auto"


def threshold_of(setting: str) -> float:
    """The cosine that a setting names; KEEP_ALL for off and auto.

    Raises:
        ValueError: it is neither off, auto nor a number from 0 to 1.
    """
    if setting in (OFF, AUTO):
        return KEEP_ALL
    try:
        found = float(setting)
    except ValueError:
        found = -1.0
    if not 0 < found <= 1:
        raise ValueError(f"lookalikes={setting!r}: expected off, auto, or a cosine in (0, 1]")
    return found


def vectors_in(index: faiss.Index) -> VectorsOf:
    """Vectors of rows as the index has them: what its codes say. Lists take 8 bytes an item for it."""
    if (lists := parts(index).ivf) is not None:
        lists.make_direct_map()
    return lambda rows: np.asarray(index.reconstruct_batch(np.ascontiguousarray(rows)), np.float32)


def fit_lookalikes(index: faiss.Index, found: Rows, ids: Strings, items: Pinned, relevant: Rows) -> Collapse:
    """Fit the threshold to found [Q, K] of judged queries; relevant: keys, query row * N + item row.

    Offers of one product (group_id), or failing that of one title, are duplicates in truth.
    """
    shown, place = np.unique(found, return_inverse=True)
    shown, lists = shown[shown >= 0], place.reshape(found.shape) - int((shown < 0).any())
    names = texts(pick(ids, shown))
    columns = ["item_id", "group_id", "title"]
    # ids stand in the order of their bytes, and so do rows
    rows = read_table(items, columns, pc.field("item_id").isin(names)).sort_by("item_id")
    titles = [normalise_query(title) for title in strings(rows, "title")]
    group = groups_of(strings(rows, "group_id"), strings(rows, "item_id"), titles)
    query, item = relevant // len(ids), relevant % len(ids)
    at = np.searchsorted(shown, item).clip(max=max(0, len(shown) - 1))
    there = shown[at] == item
    known = Known(query[there], at[there], len(found))
    vectors = vectors_in(index)
    return fit_collapse(lists, lambda some: vectors(shown[some]), group, known)


def prepare(index: faiss.Index, facts: Mapping[str, Any]) -> None:
    """Make the map of rows that dropping lookalikes needs, once: threads that make it at once read half of it."""
    if _threshold(facts) < KEEP_ALL:
        vectors_in(index)


def _threshold(facts: Mapping[str, Any]) -> float:
    return float(facts.get("lookalikes", {}).get("threshold", KEEP_ALL))


def without_lookalikes(index: faiss.Index, ranked: Ranked, facts: Mapping[str, Any]) -> Ranked:
    """Drop what is too close to a better-ranked item, by the threshold of the facts; as it was without one."""
    threshold = _threshold(facts)
    if threshold >= KEEP_ALL:
        return ranked
    return collapse(ranked.items, ranked.scores, vectors_in(index), threshold)
