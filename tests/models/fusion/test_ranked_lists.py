from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fusion.fuse import reciprocal_rank_fusion
from models.fusion.ranked_lists import trec_order


def test_fusion_by_hand() -> None:
    # item 7: 1/61 + 1/62, item 3: 1/62 + 1/63, item 5: 1/61 (second list), item 9: 1/63
    dense, sparse = np.array([[7, 3, 9]]), np.array([[5, 7, 3]])
    fused = reciprocal_rank_fusion([dense, sparse], depth=4)
    assert fused.items.tolist() == [[7, 3, 5, 9]]
    expected = [1 / 61 + 1 / 62, 1 / 62 + 1 / 63, 1 / 61, 1 / 63]
    np.testing.assert_allclose(fused.scores[0], expected, rtol=1e-6)


def test_equal_scores_fall_to_the_larger_item_as_in_trec_eval() -> None:
    fused = reciprocal_rank_fusion([np.array([[1]]), np.array([[2]])], depth=3)
    assert fused.items.tolist() == [[2, 1, -1]]


def test_weights_tip_the_balance() -> None:
    arms = [np.array([[1, 2]]), np.array([[2, 1]])]
    assert reciprocal_rank_fusion(arms, 2, weights=[2.0, 1.0]).items.tolist() == [[1, 2]]
    assert reciprocal_rank_fusion(arms, 2, weights=[1.0, 2.0]).items.tolist() == [[2, 1]]


def test_an_arm_without_any_item_changes_nothing() -> None:
    dense = np.array([[4, 2, 0], [1, -1, -1]])
    empty = np.full((2, 3), -1)
    fused = reciprocal_rank_fusion([dense, empty], depth=3)
    assert fused.items.tolist() == dense.tolist()


def test_nothing_at_all_fuses_to_nothing() -> None:
    fused = reciprocal_rank_fusion([np.full((2, 3), -1)], depth=2)
    assert (fused.items == -1).all()
    assert np.isneginf(fused.scores).all()


def test_differing_queries_or_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="one weight per arm"):
        reciprocal_rank_fusion([np.zeros((2, 1), int)], 1, weights=[1.0, 1.0])
    with pytest.raises(ValueError, match="same queries"):
        reciprocal_rank_fusion([np.zeros((2, 1), int), np.zeros((3, 1), int)], 1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 12))
def test_fusion_equals_a_dictionary(seed: int, n_arms: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    arms = [np.stack([rng.permutation(20)[:8] for _ in range(3)]) for _ in range(n_arms)]
    fused = reciprocal_rank_fusion(arms, depth)
    for query in range(3):
        total: dict[int, float] = {}
        for arm in arms:
            for place, item in enumerate(arm[query].tolist(), start=1):
                total[item] = total.get(item, 0.0) + 1 / (60 + place)
        best = sorted(total, key=lambda item: (-np.float32(total[item]), -item))[:depth]
        assert fused.items[query][: len(best)].tolist() == best


def test_order_sorts_by_score_then_larger_item_and_keeps_ends_last() -> None:
    ranked = trec_order(np.array([[5, -1, 2, 9]]), np.array([[0.5, 0.9, 0.7, 0.5]], np.float32))
    assert ranked.items.tolist() == [[2, 9, 5, -1]]
