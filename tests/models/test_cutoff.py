from __future__ import annotations

import numpy as np
import pytest
from kneed import KneeLocator

from models.cutoff import Cutoff, fit_threshold, knees


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("length", [20, 60, 100])
def test_the_knee_of_a_smooth_list_is_where_kneed_finds_it(power: float, length: int) -> None:
    # on a ragged list kneed stops at an early local knee; ours takes the deepest one
    scores = ((np.arange(length) + 3.0) ** -power).astype(np.float32)
    locator = KneeLocator(range(length), scores, S=0, curve="convex", direction="decreasing")
    assert abs(int(knees(scores[None])[0]) - int(locator.knee)) <= 1


def test_knee_by_hand() -> None:
    # three good items, then a cliff, then a plain: the cliff's foot is the knee
    assert knees(np.array([[0.9, 0.88, 0.86, 0.3, 0.29, 0.28, 0.27]], np.float32)).tolist() == [3]


def test_a_straight_or_flat_list_has_no_knee_and_keeps_everything() -> None:
    lists = np.array([[4, 3, 2, 1], [5, 5, 5, 5], [4, 3, -np.inf, -np.inf]], np.float32)
    assert knees(lists).tolist() == [3, 3, 1]


def test_threshold_keeps_the_stated_share_of_relevant_items() -> None:
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.random((200, 50)), axis=1).astype(np.float32)
    relevant = rng.random((200, 50)) < 0.1
    rule = fit_threshold(scores, relevant, keep_frac=0.9)
    kept = scores[relevant] >= rule.value
    assert 0.9 <= kept.mean() <= 0.91


def test_nothing_relevant_means_nothing_is_cut() -> None:
    scores = np.ones((2, 3), np.float32)
    assert fit_threshold(scores, np.zeros((2, 3), bool)) == Cutoff("none")


@pytest.mark.parametrize(
    ("rule", "lengths"),
    [
        (Cutoff("none"), [5, 3]),
        (Cutoff("threshold", 0.5, min_items=1), [2, 1]),
        (Cutoff("threshold", 0.5, min_items=4), [4, 3]),  # never more than there are
        (Cutoff("knee", min_items=1), [3, 2]),
    ],
)
def test_lengths(rule: Cutoff, lengths: list[int]) -> None:
    gone = -np.inf
    scores = np.array([[0.9, 0.8, 0.2, 0.19, 0.18], [0.9, 0.4, 0.35, gone, gone]], np.float32)
    assert rule.lengths(scores).tolist() == lengths


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="elbow"):
        Cutoff("elbow")
