"""Arms of item-to-item recommendations, by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.fusion.ranked_lists import Ranked
from models.recommendations import arms
from models.recommendations.arms import CoOccurrences, KnownLists

SUPPORT = np.array([0, 1, 50, 400, 2])  # 0 is new, 1 and 4 thin


def pairs() -> CoOccurrences:
    return CoOccurrences(
        row=np.array([0, 0, 1]),
        other=np.array([2, 3, 3]),
        followed_by=np.array([2.0, 5.0, 0.0]),
        preceded_by=np.array([1.0, 0.0, 0.5]),
        together=np.array([1.0, 2.0, 1.0]),
        other_support=np.array([50, 400, 400]),
    )


def test_each_arm_reads_its_weight_and_popular_items_pay_for_it() -> None:
    made = arms.collaborative(pairs(), 2, 3)
    assert made["after"].items.tolist() == [[3, 2, -1], [-1, -1, -1]]
    assert made["before"].items.tolist() == [[2, -1, -1], [3, -1, -1]]
    # 2 / 400 ** .4 = .182 is below 1 / 50 ** .4 = .209, although twice as many sessions have it
    assert made["together"].items[0].tolist() == [2, 3, -1]
    assert made["together"].scores[0, :2] == pytest.approx([50**-0.4, 2 * 400**-0.4])


def test_classes_of_support() -> None:
    assert arms.classes_of(SUPPORT, 20).tolist() == [0, 1, 2, 2, 1]


def test_new_items_are_reached_by_new_items_and_through_popular_ones() -> None:
    alike = Ranked(np.array([[4, 2, 3, -1]]), np.array([[0.9, 0.8, 0.4, -np.inf]], np.float32))
    lists = Ranked(np.array([[1, -1], [3, 1]]), np.array([[7, -np.inf], [3, 1]], np.float32))
    made = arms.content(alike, SUPPORT, 20, KnownLists.of(np.array([3, 2]), lists, 5), bridge=2)
    assert made["content"].scores[0, :3] == pytest.approx([0.81, 0.64, 0.16])
    assert made["content_new"].items.tolist() == [[4, 2, 3, -1]]
    assert made["content_new"].scores[0, :3] == pytest.approx([0.81, 0.064, 0.016])
    # hardly alike, though new: a known one that is alike stands first
    far = Ranked(np.array([[2, 4]]), np.array([[0.9, 0.2]], np.float32))
    assert arms.content(far, SUPPORT, 20, KnownLists.of(np.array([3, 2]), lists, 5))["content_new"].items[0, 0] == 2
    # through 2: .64 * (3/4, 1/4); through 3: .16 * 1
    assert made["via_popular"].items[0, :2].tolist() == [3, 1]
    assert made["via_popular"].scores[0, :2] == pytest.approx([0.48, 0.16 + 0.16])


def test_a_list_loses_its_source_alone() -> None:
    lists = Ranked(np.array([[7, 1, 2], [1, 7, 2]]), np.array([[3, 2, 1], [3, 2, 1]], np.float32))
    made = arms.without_source(lists, np.array([7, 9]))
    assert made.items.tolist() == [[1, 2, -1], [1, 7, 2]]
    assert made.scores[0].tolist() == [2, 1, -np.inf]


def test_popularity_leaves_out_what_nobody_visited() -> None:
    assert arms.popularity(SUPPORT, 2, 5).items.tolist() == [[3, 2, 4, 1]] * 2


def test_prod2vec_says_nothing_of_items_without_a_session() -> None:
    alike = Ranked(np.array([[0, 3, 2], [3, 2, 1]]), np.array([[0.9, 0.5, -0.1]] * 2, np.float32))
    made = arms.learnt(alike, SUPPORT, np.array([1, 0]))
    assert made.items.tolist() == [[3, 2, -1], [-1, -1, -1]]
    assert made.scores[0, :2].tolist() == [0.25, 0]
