"""Votes: how they fuse, how they are fitted, and which classes of queries get their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fusion.fit_fusion import TRIED, fit_fusion
from models.fusion.fuse import (
    METHODS,
    FusionWeights,
    classes_of,
    convex_combination,
    fuse,
    fuse_by_class,
    reciprocal_rank_fusion,
)
from models.fusion.ranked_lists import Ranked

N_ITEMS = 1000
DEPTH = 70
OLD: dict[str, Any] = {"dense": 0.7, "sparse": 0.3, "k": 20}


def lists(first: NDArray[np.int64], seed: int, at: int = 0) -> Ranked:
    """A list of noise for each query, with the query's own item at a place; scores fall evenly."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(np.arange(N_ITEMS // 2, N_ITEMS))[: DEPTH - 1] for _ in first])
    items = np.insert(rows, at, first, axis=1)
    scores = np.tile(np.linspace(1, 0.1, DEPTH, dtype=np.float32), (len(first), 1))
    return Ranked(items, scores)


def keys(first: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.arange(len(first)) * N_ITEMS + first


def test_facts_of_an_older_bundle_still_open() -> None:
    assert FusionWeights(**OLD) == FusionWeights(0.7, 0.3, 20, "rrf")


def test_each_method_fuses_as_its_own_function_does() -> None:
    first = np.arange(5)
    dense, sparse = lists(first, 0), lists(first, 1, 9)
    found = fuse(dense, sparse, 40, FusionWeights(0.7, 0.3, 20))
    expected = reciprocal_rank_fusion((dense.items, sparse.items), 40, 20, (0.7, 0.3))
    np.testing.assert_array_equal(found.items, expected.items)
    for norm in ("minmax", "zscore"):
        found = fuse(dense, sparse, 40, FusionWeights(0.7, 0.3, method=norm))
        expected = convex_combination((dense, sparse), (0.7, 0.3), 40, norm)
        np.testing.assert_array_equal(found.items, expected.items)
        np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="method 'sum': expected rrf, minmax, zscore"):
        fuse(dense, sparse, 40, FusionWeights(method="sum"))


def test_the_vote_leans_to_the_better_arm_and_stays_even_without_judgements() -> None:
    first = np.arange(8)
    good, bad = lists(first, 0), lists(first, 1, DEPTH - 1)
    assert fit_fusion(good, bad, keys(first), N_ITEMS).weights.dense > 0.5
    assert fit_fusion(bad, good, keys(first), N_ITEMS).weights.dense < 0.5
    assert fit_fusion(good, good, keys(first), N_ITEMS).weights == FusionWeights()
    unfitted = fit_fusion(good, bad, np.zeros(0, np.int64), N_ITEMS)
    assert unfitted.weights == FusionWeights() and not unfitted.by_class
    assert [(row["method"], row["dense"], row["worth"], row["chosen"]) for row in unfitted.methods] == [
        ("rrf", 0.5, None, True),
        ("minmax", 0.5, None, False),
        ("zscore", 0.5, None, False),
    ]


def test_worth_is_recall_plus_reciprocal_rank_by_hand() -> None:
    # one query of three is not judged; where both arms agree, fusion changes nothing:
    # query 0: its one item at rank 1 -> 1 + 1; query 2: one of two items, at rank 4 -> 1/2 + 1/4
    first = np.arange(3)
    arm = lists(first, 0, 3)
    arm.items[0, [0, 3]] = arm.items[0, [3, 0]]
    relevant = np.array([0, 2 * N_ITEMS + 2, 2 * N_ITEMS + 77])
    found = fit_fusion(arm, arm, relevant, N_ITEMS)
    for row in found.methods:
        assert row["worth"] == pytest.approx((2 + 0.75) / 2)
        assert row["queries"] == 2
    assert [row["chosen"] for row in found.methods] == [True, False, False]


def test_scores_win_where_they_tell_more_than_ranks() -> None:
    """Dense is sure of its first item and of nothing else; sparse, of nothing: every rank alike to RRF."""
    rng = np.random.default_rng(3)
    first = np.arange(40)
    dense, sparse = lists(first, 0), lists(first, 1)
    # both put a noise item first in half of the queries, but then with a score that hardly leads
    wrong = rng.permutation(40)[:20]
    sure = np.linspace(0.2, 0.1, DEPTH, dtype=np.float32)
    for query in range(40):
        dense.scores[query] = sure
        sparse.scores[query] = sure
        (dense if query in wrong else sparse).items[query, 0] = 400 + query
        (sparse if query in wrong else dense).scores[query, 0] = 1.0
    found = fit_fusion(dense, sparse, keys(first), N_ITEMS)
    assert found.weights.method in ("minmax", "zscore")
    worth = {row["method"]: row["worth"] for row in found.methods}
    assert worth[found.weights.method] == max(worth.values()) > worth["rrf"] + 0.1
    assert [row["method"] for row in found.methods] == list(METHODS)
    assert sum(row["chosen"] for row in found.methods) == 1


def two_classes(n_queries: int) -> tuple[Ranked, Ranked, NDArray[np.int64], NDArray[np.str_]]:
    """Dense is right for three in four queries, and for those of class `code` sparse is."""
    first = np.arange(n_queries)
    codes = first % 4 == 0
    right, wrong = lists(first, 0), lists(first, 1, DEPTH - 1)
    dense = Ranked(np.where(codes[:, None], wrong.items, right.items), right.scores)
    sparse = Ranked(np.where(codes[:, None], right.items, wrong.items), right.scores)
    return dense, sparse, keys(first), np.where(codes, "code", "words")


def test_a_class_that_gains_gets_its_own_vote() -> None:
    dense, sparse, relevant, classes = two_classes(200)
    found = fit_fusion(dense, sparse, relevant, N_ITEMS, classes, min_queries=50)
    assert found.weights.dense > 0.5
    assert set(found.by_class) == {"code"} and found.by_class["code"].sparse > 0.5
    rows = {row["class"]: row for row in found.classes}
    assert rows["code"]["chosen"] and rows["code"]["p"] < 0.05 and rows["code"]["queries"] == 50
    assert rows["code"]["worth"] > rows["code"]["common"]
    assert not rows["words"]["chosen"]
    fused = fuse_by_class(dense, sparse, 10, found.weights, found.by_class, classes)
    assert (fused.items[:, 0] == np.arange(200)).all()
    common = fuse(dense, sparse, 10, found.weights)
    assert not (common.items[:, 0] == np.arange(200)).all()
    words = classes == "words"
    np.testing.assert_array_equal(fused.items[words], common.items[words])
    np.testing.assert_array_equal(fused.scores[words], common.scores[words])


def test_a_class_with_few_queries_or_by_chance_stays_with_the_common_vote() -> None:
    dense, sparse, relevant, classes = two_classes(200)
    assert not fit_fusion(dense, sparse, relevant, N_ITEMS, classes, min_queries=51).by_class
    # classes that say nothing: drawn by lot, ten times; at 5% one may slip through, not more
    slipped = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        first = np.arange(200)
        arms = [lists(first, 10 * seed + arm) for arm in range(2)]
        for arm in arms:
            for query in range(200):  # anywhere in the list, each arm for itself
                place = rng.integers(DEPTH)
                arm.items[query, [0, place]] = arm.items[query, [place, 0]]
        lot = rng.choice(np.array(["a", "b"]), 200)
        slipped += len(fit_fusion(*arms, keys(first), N_ITEMS, lot, 50).by_class)
    assert slipped <= 1


def test_classes_are_known_from_the_text() -> None:
    asked = ["wh-1000xm4", "sony wh1000xm4 black headphones", "shoes", "red shoes", "red shoes size 42", "18v drill"]
    assert classes_of(asked).tolist() == ["model number", "model number", "1 word", "2 words", "3-4 words", "2 words"]


def test_the_default_stands_before_its_equals() -> None:
    assert TRIED[0] == FusionWeights()
    assert len(TRIED) == len(set(TRIED)) == 9 * (3 + 1 + 1)
