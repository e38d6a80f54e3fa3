"""One index per category: the router by hand, and the merged search against one flat index."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from models.ann.by_category import CategoryPart, compared_frac, divide, factory_of, fit, search, with_lists
from models.ann.operating_points import Exam, overlap
from models.ann.routing import Router, centroids, fitted, group_categories, held_frac, own, searched_frac

DIM, CATEGORIES = 16, 5


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def shop() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items around a centre per category, their categories, and queries off the centres."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((CATEGORIES, DIM)))
    category = rng.choice(CATEGORIES, 3_000, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    items = unit(centres[category] + 0.25 * rng.standard_normal((3_000, DIM)))
    queries = unit(centres[rng.choice(CATEGORIES, 200)] + 0.4 * rng.standard_normal((200, DIM)))
    return items, category, queries


def exact(items: np.ndarray, queries: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    flat = faiss.IndexFlatIP(DIM)
    flat.add(items)
    scores, rows = flat.search(queries, depth)
    return scores, rows


def test_small_and_unknown_categories_are_the_rest_by_hand() -> None:
    tops = ["Garden", "", "Toys", "Garden", "Books", "Toys", "Garden"]
    names, category = group_categories(tops, min_items=2)
    assert names == ["Garden", "Toys", "rest"]
    # Books has one item, and one item has no category
    assert category.tolist() == [0, 2, 1, 0, 2, 1, 0]
    assert group_categories(["Toys", "Toys"], 2)[0] == ["Toys"]  # nothing is left over
    assert group_categories(["", ""], 1)[0] == ["rest"]


def test_a_router_chooses_by_margin_and_by_number_by_hand() -> None:
    # two centroids of category 0, one of 1, one of 2
    axes = np.eye(3, dtype=np.float32)
    router = Router(np.stack([axes[0], -axes[1], axes[1], axes[2]]), np.array([0, 0, 1, 2]))
    query = np.array([[0.8, 0.5, 0.1], [0.1, -0.9, 0.3]], np.float32)
    np.testing.assert_allclose(router.scores(query), [[0.8, 0.5, 0.1], [0.9, -0.9, 0.3]], rtol=1e-6)
    within = Router(router.centroids, router.owner, margin=0.35, most=3)
    assert within.choose(query).tolist() == [[True, True, False], [True, False, False]]
    two = Router(router.centroids, router.owner, margin=2.0, most=2)
    assert two.choose(query).tolist() == [[True, True, False], [True, False, True]]
    sizes = np.array([10, 20, 70])
    assert searched_frac(within.choose(query), sizes) == pytest.approx((0.3 + 0.1) / 2)
    assert held_frac(within.choose(query), np.array([[0, 1, 2, 2], [0, 0, 0, 1]])) == 5 / 8


@pytest.mark.parametrize("target", [0.8, 0.95, 0.99, 1.0])
def test_the_fitted_rule_holds_the_target_and_the_next_smaller_one_does_not(
    shop: tuple[np.ndarray, np.ndarray, np.ndarray], target: float
) -> None:
    items, category, queries = shop
    wanted = category[exact(items, queries, 20)[1]]
    sizes = np.bincount(category)
    router = fitted(centroids(items, category, 3, 0), queries, wanted, sizes, target)
    chosen = router.choose(queries)
    assert held_frac(chosen, wanted) >= target
    if router.margin > 1:  # by number
        less = Router(router.centroids, router.owner, router.margin, router.most - 1)
    else:
        less = Router(router.centroids, router.owner, router.margin - 2e-6, router.most)
    best_alone = router.most == 1 or router.margin < 1e-5
    assert best_alone or held_frac(less.choose(queries), wanted) < target


@pytest.mark.parametrize("depth", [1, 50, 400])  # 400: more than the smallest category holds
def test_all_categories_searched_are_the_flat_index(
    shop: tuple[np.ndarray, np.ndarray, np.ndarray], depth: int
) -> None:
    items, category, queries = shop
    parts = divide(items, [f"c{n}" for n in range(CATEGORIES)], category, "Flat", 10_000)
    everything = np.ones((len(queries), CATEGORIES), bool)
    found = search(parts, queries, everything, depth)
    scores, rows = exact(items, queries, depth)
    np.testing.assert_array_equal(found.items, rows)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5)


def test_one_category_gives_its_own_items_by_their_rows_in_the_catalogue(
    shop: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    items, category, _ = shop
    parts = divide(items, list("abcde"), category, "Flat", 10_000)
    asked = np.flatnonzero(category == 4)[:7]
    found = search(parts, items[asked], own(category[asked], CATEGORIES), 1_000)
    n = int((category == 4).sum())
    assert found.items[:, 0].tolist() == asked.tolist()  # an item's nearest is itself
    assert (category[found.items[:, :n]] == 4).all()
    assert (found.items[:, n:] == -1).all() and np.isneginf(found.scores[:, n:]).all()
    nothing = search(parts, items[asked], np.zeros((7, CATEGORIES), bool), 3)
    assert (nothing.items == -1).all()


def test_a_fit_holds_its_target_with_inverted_lists_and_says_what_it_compares(
    shop: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    items, category, queries = shop
    rows = exact(items, queries, 20)[1]
    parts = divide(items, list("abcde"), category, "IVF64,Flat", 400)
    assert [part.factory.startswith("IVF") for part in parts] == [True, True, True, False, False]
    found = fit(parts, centroids(items, category, 4, 0), category, Exam(queries, rows), 0.9)
    chosen = found.router.choose(queries)
    again = overlap(search(found.divided, queries, chosen, 20).items, rows)
    assert found.recall == again >= 0.9
    assert 0 < compared_frac(found.divided, chosen) < 0.5
    assert compared_frac(with_lists(parts, 1.0), np.ones((1, CATEGORIES), bool)) == 1.0


def test_what_no_setting_holds_is_searched_whole(shop: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    items, category, queries = shop
    rows = exact(items, queries, 20)[1]
    parts = divide(items, list("abcde"), category, "SQ4", 10_000)
    found = fit(parts, centroids(items, category, 4, 0), category, Exam(queries, rows), 1.0)
    assert found.recall < 1.0  # four bits a dimension cannot
    assert found.router.choose(queries).all()


def test_a_category_has_the_codes_of_the_whole_and_lists_of_its_own_size() -> None:
    assert factory_of("IVF4000,SQbf16", 10_000, 2_000) == "IVF400,SQbf16"
    assert factory_of("IVF4000,SQbf16", 1_999, 2_000) == "SQbf16"
    assert factory_of("IVF400,PQ64x4fs,Refine(SQ8)", 1_999, 2_000) == "SQ8"
    assert factory_of("Flat", 100, 2_000) == "Flat"


def test_rows_beyond_the_first_category_are_not_renumbered_as_index_shards_would() -> None:
    # two categories that take turns in the catalogue: shard by shard numbering would be wrong here
    items = np.eye(4, dtype=np.float32)
    parts = [
        CategoryPart(name, "Flat", _flat(items[rows]), np.array(rows, np.int32), {})
        for name, rows in (("even", [0, 2]), ("odd", [1, 3]))
    ]
    found = search(parts, items, np.ones((4, 2), bool), 1)
    assert found.items[:, 0].tolist() == [0, 1, 2, 3]


def _flat(vectors: np.ndarray) -> faiss.Index:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index
