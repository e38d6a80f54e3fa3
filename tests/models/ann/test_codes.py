"""Codes as arrays against FAISS's own add, for every family; what is given twice or lost is refused."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest

from models.ann.codes import ListBlock, encode, fill, filled, lists_of, widths
from models.ann.families import IP, blank, families, parts, plain, scaled
from models.ann.search import ask, settle
from models.ann.train import TRAINING_PER_LIST, centroids_of, train
from models.evaluation.recall import overlap
from tests.models.ann.vectors import DIM, brute, items, queries

N, DEPTH = 3_000, 20
SOLD, ASKED = items(N), queries(60)
SETTINGS = {"nprobe": 8, "k_factor": 4, "efSearch": 64}
FAMILIES = [
    "Flat",
    "SQ8",
    "SQfp16",
    "HNSW16",
    "HNSW16,SQ8",
    "IVF32,Flat",
    "IVF32,SQ8",
    "IVF32,SQ4",
    "IVF32,SQ6",
    "IVF32,SQfp16",
    "IVF32,SQbf16",
    "IVF32_HNSW16,SQ8",
    "IVF32,PQ16x4np",
    "IVF32,PQ8np",
    "IVF32,RaBitQ",
    "IVF32,RaBitQ4",
    "IVF32,SQ4,Refine(SQ8)",
    "IVF32,RaBitQ,Refine(Flat)",
    "RR32,IVF32,RaBitQ4",
    "PCA24,RR24,IVF32,SQ8",
    "OPQ16_32,IVF32,PQ16x4np",
    "OPQ16_32,IVF32,PQ16x4np,Refine(SQfp16)",
]
PACKED = [
    "IVF32,PQ16x4fs",
    "IVF32,PQ16x4fsr",
    "IVF32,PQ16x4fs,Refine(SQ8)",
    "IVF32,RaBitQfs,Refine(SQ8)",
    "OPQ16_32,IVF32,PQ16x4fs,Refine(SQ8)",
]


def blocks(lists: np.ndarray, codes: np.ndarray, size: int = 700) -> Iterator[ListBlock]:
    order = np.argsort(lists, kind="stable")
    for start in range(0, len(order), size):
        some = order[start : start + size]
        yield ListBlock(lists[some].astype(np.int64), some, codes[some])


def by_faiss(factory: str) -> faiss.Index:
    """The same trained index, filled by FAISS's own add, which numbers from 0."""
    index = faiss.clone_index(train(SOLD, factory))
    index.add(SOLD)
    settle(index, SETTINGS)
    return index


@pytest.mark.parametrize("factory", FAMILIES)
def test_filled_from_codes_it_answers_as_filled_by_faiss(factory: str) -> None:
    trained = train(SOLD, factory)
    coded = [encode(trained, SOLD[:1000]), encode(trained, SOLD[1000:])]
    lists = np.concatenate([one.lists for one in coded])
    codes = np.concatenate([one.codes for one in coded])
    index = fill(trained, factory, N, blocks(lists, codes), [one.refine for one in coded] if widths(trained)[1] else [])
    rows, scores = ask(index, ASKED, DEPTH, SETTINGS)
    expected, numbers = by_faiss(factory).search(ASKED, DEPTH)
    # a graph is built from what the codes say, by FAISS from the vectors: alike, not equal
    least = 0.97 if "HNSW16" in factory and "IVF" not in factory else 0.9999
    assert overlap(rows, numbers) >= least
    if least > 0.99:
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert trained.ntotal == 0
    assert (index.ntotal, index.metric_type) == (N, IP)


@pytest.mark.parametrize("factory", PACKED)
def test_packed_codes_answer_as_packed_by_faiss_and_survive_a_file(factory: str) -> None:
    """FAISS's own FastScan ignores ids, and filled list by list it answers wrongly: so packing comes last."""
    index = filled(train(SOLD, factory), factory, SOLD)[0]
    found = ask(index, ASKED, DEPTH, SETTINGS).items
    own = faiss.index_factory(DIM, factory, IP)
    ivf = faiss.extract_index_ivf(own)
    ivf.cp.seed, ivf.cp.spherical, ivf.cp.min_points_per_centroid = 1, True, 1
    ivf.cp.max_points_per_centroid = TRAINING_PER_LIST
    for number in range(parts(own).rotation.chain.size() if parts(own).rotation is not None else 0):
        faiss.downcast_VectorTransform(parts(own).rotation.chain.at(number)).niter = 8
    own.train(SOLD)
    own.add(SOLD)
    exact = brute(ASKED, SOLD, DEPTH)
    theirs = overlap(ask(own, ASKED, DEPTH, SETTINGS).items, exact)
    assert overlap(found, exact) >= theirs - 0.02
    again = faiss.deserialize_index(faiss.serialize_index(index))
    assert (ask(again, ASKED, DEPTH, SETTINGS).items == found).all()
    if "Refine" in factory:  # finer codes give nearly exact scores
        rows, scores = ask(index, ASKED, DEPTH, SETTINGS)
        np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", ASKED, SOLD[rows]), atol=0.01)


@pytest.mark.parametrize("factory", ["IVF32,SQ8", "Flat", "HNSW16,SQ8", "IVF32,PQ16x4fs"])
def test_an_item_twice_or_missing_is_refused(factory: str) -> None:
    """FAISS's merge_from takes the same shard twice without a word."""
    trained = train(SOLD, factory)
    coded = encode(trained, SOLD)
    whole = list(blocks(coded.lists, coded.codes))
    with pytest.raises(RuntimeError, match="is a shard missing or given twice"):
        fill(trained, factory, N, [*whole, whole[0]], [])
    with pytest.raises(RuntimeError, match="700 items without a code"):
        fill(trained, factory, N, whole[1:], [])
    with pytest.raises(RuntimeError, match="codes are damaged"):
        fill(trained, factory, N - 1, whole, [])


def test_a_missing_finer_code_is_refused() -> None:
    trained = train(SOLD, "IVF32,SQ4,Refine(SQ8)")
    coded = encode(trained, SOLD)
    with pytest.raises(RuntimeError, match="expected each once"):
        fill(trained, "IVF32,SQ4,Refine(SQ8)", N, blocks(coded.lists, coded.codes), [coded.refine[:-1]])


@pytest.mark.parametrize("factory", [*FAMILIES, *PACKED])
def test_the_metric_is_set_on_every_part(factory: str) -> None:
    """Inner product on the index but not on one part of it costs most of the recall, silently."""
    found = parts(blank(factory, DIM))
    for one in (found.whole, found.base, found.refine):
        assert one is None or one.metric_type == IP
    if found.ivf is not None:
        assert faiss.downcast_index(found.ivf.quantizer).metric_type == IP


def test_unknown_factory_strings_say_so() -> None:
    with pytest.raises(ValueError, match="factory=IVF32,Nonsense"):
        blank("IVF32,Nonsense", DIM)
    with pytest.raises(ValueError, match="100 vectors for 128 lists"):
        train(SOLD[:100], "IVF128,SQ8")


def test_plain_and_scaled_spell_the_same_family() -> None:
    assert plain("IVF9,PQ16x4fs,Refine(SQ8)") == "IVF9,PQ16x4np,Refine(SQ8)"
    assert plain("IVF9,RaBitQfs4") == "IVF9,RaBitQ4"
    assert plain("IVF9,SQ8") == "IVF9,SQ8"
    assert scaled("IVF1264,SQ8", 1_000_000, 4.0) == "IVF4000,SQ8"
    assert scaled("IVF1264,PQ16x4fs,Refine(SQ8)", 140_000_000, 4.0) == "IVF47328_HNSW32,PQ16x4fs,Refine(SQ8)"
    assert scaled("HNSW32,SQ8", 1_000_000, 4.0) == "HNSW32,SQ8"
    assert scaled("Flat", 9, 4.0) == "Flat"


def test_families_follow_the_size() -> None:
    assert families(9_999, 64) == ["Flat"]
    assert "HNSW32,SQ8" in families(100_000, 64)
    large = families(140_000_000, 64)
    assert all(one.startswith("IVF47328_HNSW32,") for one in large)
    with pytest.raises(ValueError, match="0 items of 64 dimensions"):
        families(0, 64)


def test_centroids_of_one_index_serve_another_of_as_many_lists() -> None:
    first = train(SOLD, "IVF32,SQ8")
    second = train(SOLD, "IVF32,RaBitQ4", seed=9, centroids=centroids_of(first))
    np.testing.assert_array_equal(centroids_of(first), centroids_of(second))
    assert centroids_of(train(SOLD, "HNSW16,SQ8")) is None
    assert lists_of(first) == 32


def test_graph_cannot_delete() -> None:
    """A graph is built anew each night, whatever changed, for this reason."""
    index = filled(train(SOLD, "HNSW16,SQ8"), "HNSW16,SQ8", SOLD)[0]
    with pytest.raises(RuntimeError):
        index.remove_ids(np.array([3], np.int64))


def test_index_shards_renumber_ids() -> None:
    """Shards are merged instead of searched side by side: row 0 of the second comes out as 10."""
    shards = faiss.IndexShards(DIM, True, True)
    held = [faiss.IndexIDMap2(faiss.IndexFlatIP(DIM)) for _ in range(2)]
    for one in held:
        one.add_with_ids(SOLD[:10], np.arange(10))
        shards.add_shard(one)
    assert shards.search(SOLD[:1], 2)[1].max() >= 10
