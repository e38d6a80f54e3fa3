"""Mixtures of arms against sums by hand and a search that tries every item."""

from __future__ import annotations

import numpy as np
import pytest

from models.fusion.mixture import candidates, fit_mixture, mix, reciprocal_ranks, shares
from models.fusion.ranked_lists import Ranked


def ranked(items: list[list[int]], scores: list[list[float]]) -> Ranked:
    return Ranked(np.array(items, np.int64), np.array(scores, np.float32))


def test_shares_of_a_list_add_up_and_an_end_has_none() -> None:
    found = shares(ranked([[4, 2, -1], [7, 8, 9]], [[3, 1, -np.inf], [-1, 0, 0]]))
    assert found.tolist() == [[0.75, 0.25, 0], [0, 0, 0]]


def test_a_mixture_by_hand() -> None:
    counts, cosines = ranked([[4, 2]], [[30, 10]]), ranked([[2, 5]], [[0.8, 0.2]])
    mixed = mix([counts, cosines], np.array([[1.0, 2.0]]), 3)
    assert mixed.items.tolist() == [[2, 4, 5]]
    assert mixed.scores[0] == pytest.approx([0.25 + 1.6, 0.75, 0.4])
    assert mix([counts, cosines], np.array([[1.0, 0.0]]), 3).items.tolist() == [[4, 2, -1]]


def random_arms(seed: int, queries: int = 60, items: int = 30, depth: int = 8) -> list[Ranked]:
    rng = np.random.default_rng(seed)
    chosen = [np.stack([rng.permutation(items)[:depth] for _ in range(queries)]) for _ in range(3)]
    return [Ranked(some, -np.sort(-rng.random(some.shape).astype(np.float32), axis=1)) for some in chosen]


def test_ranks_are_those_of_the_mixed_lists() -> None:
    arms, target = random_arms(1), np.random.default_rng(2).integers(0, 30, 60)
    weights = np.array([0.5, 0.2, 0.3])
    part = candidates(arms)
    ranks = reciprocal_ranks(part.query, part.item == target[part.query], part.share @ weights, 60, 5)
    lists = mix(arms, np.tile(weights, (60, 1)), 5).items
    for row in range(60):
        places = [place for place in range(5) if lists[row, place] == target[row]]
        assert ranks[row] == (1 / (1 + places[0]) if places else 0)


def test_the_fit_finds_the_arm_that_knows_each_class_and_never_gets_worse() -> None:
    arms = random_arms(3)
    classes = np.arange(60) % 2
    # the first arm is right for even queries, the second for odd ones; class 2 has no query
    target = np.where(classes == 0, arms[0].items[:, 0], arms[1].items[:, 0])
    start = np.full((3, 3), 1 / 3)
    weights, worth = fit_mixture(arms, target, classes, 3, start, depth=5)
    assert weights[0].argmax() == 0 and weights[1].argmax() == 1
    assert (worth[:2, 1] > worth[:2, 0]).all() and worth[:2, 1].min() > 0.95
    assert weights[2].tolist() == start[2].tolist()


def test_equal_scores_do_not_flatter() -> None:
    query, right = np.array([0, 0, 0]), np.array([False, True, False])
    assert reciprocal_ranks(query, right, np.array([1.0, 1.0, 0.0]), 1, 5).tolist() == [0.5]
    assert reciprocal_ranks(query, right, np.zeros(3), 1, 5).tolist() == [0.0]
