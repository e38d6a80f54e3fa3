"""Near-duplicates in a bundle's lists: the fitted threshold, and the items that it drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake.arrow import Rows, Strings, pick, strings, texts
from jobs.lake.read import Pinned, read_table
from models.ann.families import parts
from models.ann.near_duplicates import (
    KEEP_ALL,
    NearDuplicateFit,
    VectorsOf,
    deduplicate,
    fit_near_duplicates,
    groups_of,
)
from models.fusion.ranked_lists import Ranked
from models.text.normalise import normalise_text
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
        threshold = float(setting)
    except ValueError:
        threshold = -1.0
    if not 0 < threshold <= 1:
        raise ValueError(f"lookalikes={setting!r}: expected off, auto, or a cosine in (0, 1]")
    return threshold


def vectors_in(index: faiss.Index, numbers: int = 0) -> VectorsOf:
    """A function that decodes unit vectors [n, D] of rows from the index. An IVF index needs 8 bytes an item for it.

    numbers: components at the end that are no part of an item's vector, where vectors are hydrated.
    """
    if (lists := parts(index).ivf) is not None:
        lists.make_direct_map()

    def decoded(rows: Rows) -> NDArray[np.float32]:
        vectors = np.asarray(index.reconstruct_batch(np.ascontiguousarray(rows)), np.float32)[:, : index.d - numbers]
        # a code of few bits is shorter or longer than its vector: two equal items would have a cosine below 1
        unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    return decoded


def fit_threshold(
    index: faiss.Index, lists: Rows, ids: Strings, items: Pinned, relevant: Rows, numbers: int = 0
) -> NearDuplicateFit:
    """Fit the threshold to lists [Q, K] of item rows. relevant: keys, query row * N + item row. numbers: as `vectors_in`.

    Offers of one product (group_id), or failing that items of one title, are the true duplicates.
    """
    shown, place = np.unique(lists, return_inverse=True)
    shown, places = shown[shown >= 0], place.reshape(lists.shape) - int((shown < 0).any())
    names = texts(pick(ids, shown))
    columns = ["item_id", "group_id", "title"]
    # ids are in the order of their bytes, and so are rows
    rows = read_table(items, columns, pc.field("item_id").isin(names)).sort_by("item_id")
    titles = [normalise_text(title) for title in strings(rows, "title")]
    group = groups_of(strings(rows, "group_id"), strings(rows, "item_id"), titles)
    query, item = relevant // len(ids), relevant % len(ids)
    at = np.searchsorted(shown, item).clip(max=max(0, len(shown) - 1))
    is_shown = shown[at] == item
    known = Known(query[is_shown], at[is_shown], len(lists))
    vectors = vectors_in(index, numbers)
    return fit_near_duplicates(places, lambda rows: vectors(shown[rows]), group, known)


def prepare(index: faiss.Index, facts: Mapping[str, Any]) -> None:
    """Build the map of rows that deduplication needs, once: threads that build it together read half of it."""
    if threshold_in(facts) < KEEP_ALL:
        vectors_in(index)


def threshold_in(facts: Mapping[str, Any]) -> float:
    """The fitted threshold of a bundle; KEEP_ALL for a bundle without one."""
    return float(facts.get("lookalikes", {}).get("threshold", KEEP_ALL))


def without_near_duplicates(index: faiss.Index, ranked: Ranked, threshold: float, numbers: int = 0) -> Ranked:
    """Drop items whose cosine with a better-ranked one reaches the threshold. numbers: as `vectors_in`."""
    if threshold >= KEEP_ALL:
        return ranked
    return deduplicate(ranked.items, ranked.scores, vectors_in(index, numbers), threshold)
