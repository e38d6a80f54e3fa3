from __future__ import annotations

import faiss
import numpy as np
import pytest

from models.index import (
    build,
    check_vectors,
    chunked,
    exact_search,
    factory_for,
    inverted_lists,
    recall_against_exact,
    search,
    tune,
)

DIM = 16
Array = np.ndarray


def unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    centres = rng.normal(size=(40, DIM))
    vectors = centres[rng.integers(0, 40, rows)] + 0.4 * rng.normal(size=(rows, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return unit(np.random.default_rng(0), 4000)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return unit(np.random.default_rng(1), 120)


@pytest.mark.parametrize(
    ("n_items", "factory"),
    [
        (1, "Flat"),
        (9_999, "Flat"),
        (10_000, "IVF400,Flat"),
        (1_000_000, "IVF4000,SQ8"),
        (140_000_000, "IVF47328_HNSW32,SQ8"),
        (500_000_000, "IVF65536_HNSW32,SQ8"),
    ],
)
def test_the_family_follows_the_size(n_items: int, factory: str) -> None:
    assert factory_for(n_items, DIM) == factory


def test_an_empty_catalogue_has_no_index() -> None:
    with pytest.raises(ValueError, match="nothing to index"):
        factory_for(0, DIM)


def test_exact_search_in_chunks_equals_flat_faiss_and_numpy(vectors: Array, queries: Array) -> None:
    found = exact_search(chunked(vectors, 700), queries, 50)
    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    np.testing.assert_array_equal(found.items, flat.search(queries, 50)[1])
    by_numpy = np.argsort(-(queries @ vectors.T), axis=1)[:, :50]
    assert recall_against_exact(found.items, by_numpy) > 0.999


def test_exact_search_of_fewer_items_than_depth_ends_early(vectors: Array, queries: Array) -> None:
    found = exact_search(chunked(vectors[:5], 2), queries, 8)
    assert (found.items[:, 5:] == -1).all()
    assert (np.sort(found.items[:, :5], axis=1) == np.arange(5)).all()


def test_recall_counts_shared_items_whatever_their_order() -> None:
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, -1]])
    assert recall_against_exact(np.array([[4, 3, 9, 8], [7, 6, 5, 0]]), exact) == 5 / 7
    assert recall_against_exact(np.full((2, 4), -1), exact) == 0


@pytest.mark.parametrize("factory", ["IVF64,Flat", "IVF64,SQ8", "IVF64_HNSW8,SQ8", "Flat"])
def test_tuning_holds_the_target_with_the_fewest_lists(
    vectors: Array, queries: Array, factory: str
) -> None:
    index = build(vectors, factory, seed=0)
    exact = exact_search(chunked(vectors), queries, 20).items
    tuned = tune(index, queries, exact, target=0.9)
    assert tuned.recall >= 0.9
    assert recall_against_exact(search(index, queries, 20).items, exact) == tuned.recall
    if factory != "Flat":
        below = recall_against_exact(search(index, queries, 20, tuned.nprobe - 1).items, exact)
        assert tuned.nprobe > 1 and below < 0.9
        assert inverted_lists(index).nprobe == tuned.nprobe


def test_another_nprobe_reaches_the_lists_below_a_refinement_and_does_not_stay(
    vectors: Array, queries: Array
) -> None:
    index = build(vectors, "IVF64,PQ8x4fs,RFlat")
    few, many = (search(index, queries, 20, nprobe=n) for n in (1, 64))
    assert not np.array_equal(few.items, many.items)
    assert inverted_lists(index).nprobe == 1


def test_one_list_per_query_is_seen_as_lost_recall(vectors: Array, queries: Array) -> None:
    index = build(vectors, "IVF64,Flat", seed=0)
    exact = exact_search(chunked(vectors), queries, 20).items
    assert recall_against_exact(search(index, queries, 20, nprobe=1).items, exact) < 0.9


def test_inner_product_stands_on_the_coarse_quantiser_too(vectors: Array) -> None:
    for factory in ("IVF64,Flat", "IVF64_HNSW8,SQ8"):
        index = build(vectors, factory)
        assert index.metric_type == faiss.METRIC_INNER_PRODUCT
        coarse = faiss.downcast_index(inverted_lists(index).quantizer)
        assert coarse.metric_type == faiss.METRIC_INNER_PRODUCT


def test_the_same_seed_builds_the_same_bytes(vectors: Array) -> None:
    first, second = (faiss.serialize_index(build(vectors, "IVF64,SQ8", seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_bad_vectors_are_refused_by_name(vectors: Array) -> None:
    ids = [f"item{row}" for row in range(100)]
    good = vectors[:100].copy()
    check_vectors(good, ids)
    for spoil, text in ((np.nan, "item7"), (np.inf, "item7"), (0.0, "item7"), (3.0, "item7")):
        bad = good.copy()
        bad[7] *= spoil
        with pytest.raises(ValueError, match=text):
            check_vectors(bad, ids)
    with pytest.raises(ValueError, match="1 of 100 item ids repeat"):
        check_vectors(good, [*ids[:99], "item0"])
    with pytest.raises(ValueError, match="one vector per item"):
        check_vectors(good, ids[:50])
