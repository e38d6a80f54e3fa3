"""Hydrated vectors, by hand; and weights that find what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from models.ann.exact import Vectors
from models.ann.fit_hydration import BoughtPools, fit_weights
from models.ann.hydrate import boosts, hydrated_items, hydrated_queries, quantile_levels


def unit(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    vectors = rng.standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_levels_are_middles_of_quantiles_and_unknown_values_are_in_the_middle() -> None:
    values = np.array([[0.0, 5.0], [0.0, np.nan], [7.0, 4.0], [900.0, 6.0]])
    # 0, 0 share the middle of the first half: 2 * .25 - 1 = -.5 of 16 steps; then .625 and .875
    assert quantile_levels(values).T.tolist() == [[-8, -8, 4, 12], [0, 0, -11, 11]]
    assert quantile_levels(np.full((3, 1), 2.0)).ravel().tolist() == [0, 0, 0]  # equal values tell nothing
    assert quantile_levels(np.full((2, 1), np.nan)).ravel().tolist() == [0, 0]


def test_the_inner_product_is_the_cosine_plus_the_weighted_levels() -> None:
    item = hydrated_items(np.array([[0.6, 0.8]], np.float32), np.array([[16, -8]], np.int8))
    query = hydrated_queries(np.array([[1.0, 0.0]], np.float32), np.array([0.1, 0.2], np.float32), 2)
    # the greatest item gains half of a weight, the least loses half: .6 + .1 / 2 - .2 / 4
    assert float(query[0] @ item[0]) == pytest.approx(0.6)
    assert float(boosts(np.array([16, -8], np.int8), np.array([0.1, 0.2], np.float32))) == pytest.approx(0.0)
    assert float(boosts(np.array([16, 0], np.int8), np.array([0.1, 0.2], np.float32))) == pytest.approx(0.05)
    assert float(np.linalg.norm(item)) < 1.02


def test_every_head_carries_the_weights() -> None:
    rng = np.random.default_rng(0)
    items, heads = unit(rng, 5, 4), unit(rng, 6, 4)
    levels, weights = rng.integers(-16, 17, (5, 3)).astype(np.int8), np.array([0.1, -0.2, 0.05], np.float32)
    made = hydrated_queries(heads.reshape(2, 12), weights, 4).reshape(6, 7)
    np.testing.assert_allclose(
        made @ hydrated_items(items, levels).T, heads @ items.T + boosts(levels, weights), atol=1e-6
    )


def pools(follows: float) -> BoughtPools:
    """200 queries of 60 items: what is bought follows the first of two numbers, or only the nearness."""
    rng = np.random.default_rng(1)
    scores = np.sort(rng.uniform(0.5, 0.8, (200, 60)), axis=1)[:, ::-1].astype(np.float32)
    levels = rng.integers(-16, 17, (200, 60, 2)).astype(np.int8)
    wanted = scores + follows * levels[:, :, 0] / 32
    bought = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(bought, np.argsort(-wanted, axis=1)[:, :3], True, axis=1)
    return BoughtPools(scores, levels, bought, np.full(200, 4))  # a fourth is in no pool


def test_the_weight_of_what_people_buy_is_found() -> None:
    planted = pools(0.15)
    weights = fit_weights(planted, 10, 60, 0)
    assert weights[0] == pytest.approx(0.15, abs=0.08) and abs(weights[1]) < 0.08
    before, after = (planted.recall(each, 10).mean() for each in (np.zeros(2, np.float32), weights))
    assert before < 0.7 and after > 0.73
    assert (planted.recall(weights, 60) == 0.75).all()  # whole pools


def test_numbers_that_say_nothing_weigh_nothing() -> None:
    assert not fit_weights(pools(0.0), 10, 30, 0).any()


def test_a_list_is_certain_when_nothing_outside_of_the_pool_can_enter_it() -> None:
    scores = np.array([[0.9, 0.8, 0.5], [0.9, 0.8, 0.79]], np.float32)
    none = np.zeros((2, 3), np.bool_)
    made = BoughtPools(scores, np.zeros((2, 3, 1), np.int8), none, np.ones(2, np.int64))
    # an unseen item has at most the last score and half of the weight: .6 and .89 against the second one's .8
    assert made.certain(np.array([0.2], np.float32), 2) == 0.5
