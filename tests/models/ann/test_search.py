"""Settings go with the call: the same as set on the index, and threads that want others do not meet."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import pytest

from models.ann.search import ask

rng = np.random.default_rng(0)
BASE = rng.normal(size=(2000, 16)).astype(np.float32)
BASE /= np.linalg.norm(BASE, axis=1, keepdims=True)
ASKED = BASE[:64] + 0.1 * rng.normal(size=(64, 16)).astype(np.float32)
FAMILIES = [
    "Flat",
    "SQ8",
    "IVF32,Flat",
    "IVF32,SQ8",
    "IVF32,PQ4np",
    "IVF32,PQ8x4fs,RFlat",
    "IVF32,PQ4np,RFlat",
    "PCAR16,IVF32,PQ4np",
    "PCAR16,IVF32,PQ4np,RFlat",
    "PCA8,IVF32,Flat",
    "HNSW16",
    "HNSW16,SQ8",
    "IVF64_HNSW16,SQ8",
    "IVF32_HNSW32,PQ8x4fs,RFlat",
    "IVF32,RaBitQ",
    "IVF32,RaBitQfs,RFlat",
    "PQ8x4fs,Refine(SQfp16)",
]


def built(family: str) -> faiss.Index:
    index = faiss.index_factory(16, family, faiss.METRIC_INNER_PRODUCT)
    index.train(BASE)
    index.add(BASE)
    return index


def set_on(index: Any, nprobe: int, k_factor: int, efSearch: int) -> None:
    """Reference for `search_with`: the settings written into the index, in FAISS's own ways."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        set_on(index.index, nprobe, k_factor, efSearch)
    elif isinstance(index, faiss.IndexRefine):
        index.k_factor = k_factor
        set_on(index.base_index, nprobe, k_factor, efSearch)
    elif isinstance(index, faiss.IndexIVF):
        index.nprobe = nprobe
        # the graph over the centroids looks at twice the lists that it is to find
        set_on(index.quantizer, nprobe, k_factor, max(32, 2 * nprobe))
    elif isinstance(index, faiss.IndexHNSW):
        index.hnsw.efSearch = efSearch


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_of_a_call_are_those_set_on_the_index(family: str) -> None:
    index = built(family)
    own = index.search(ASKED, 10)[1]
    for wanted in ({"nprobe": 1, "k_factor": 1, "efSearch": 4}, {"nprobe": 9, "k_factor": 3, "efSearch": 64}):
        found = ask(index, ASKED, 10, wanted)
        gc.collect()  # FAISS holds bare pointers to what it was handed
        assert np.array_equal(ask(index, ASKED, 10, {}).items, own), "the index kept a setting"
        other = faiss.clone_index(index)
        set_on(other, **wanted)
        scores, items = other.search(ASKED, 10)
        assert np.array_equal(found.items, items)
        assert np.array_equal(found.scores[items >= 0], scores[items >= 0])


def test_a_setting_left_out_is_the_indexs_own() -> None:
    index = built("IVF32,PQ4np,RFlat")
    set_on(index, nprobe=5, k_factor=4, efSearch=80)
    assert np.array_equal(ask(index, ASKED, 10, {"nprobe": 5}).items, index.search(ASKED, 10)[1])


def test_threads_with_other_settings_do_not_meet() -> None:
    index = built("IVF32,SQ8")
    alone = {nprobe: ask(index, ASKED, 10, {"nprobe": nprobe}).items for nprobe in (1, 4, 32)}
    assert not np.array_equal(alone[1], alone[32])

    def again(number: int) -> bool:
        nprobe = (1, 4, 32)[number % 3]
        found = ask(index, ASKED, 10, {"nprobe": nprobe}).items
        return np.array_equal(found, alone[nprobe])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(again, range(300)))


def test_more_lists_than_there_are_is_all_of_them() -> None:
    index = built("IVF32,Flat")
    exact = built("Flat").search(ASKED, 10)[1]
    assert np.array_equal(ask(index, ASKED, 10, {"nprobe": 10_000}).items, exact)


def test_places_past_the_end_hold_no_item_and_no_score() -> None:
    index = faiss.IndexFlatIP(16)
    index.add(BASE[:3])
    found = ask(index, ASKED[:1], 5, {})
    assert (found.items[0, 3:] == -1).all() and np.isneginf(found.scores[0, 3:]).all()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['n_probe'\].*nprobe, k_factor, efSearch"):
        ask(faiss.IndexFlatIP(16), ASKED, 5, {"n_probe": 3})
