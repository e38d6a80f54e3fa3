"""The training dial against numbers worked out by hand."""

import numpy as np
import pytest

from models.evaluation.recall import interchangeable, labelled, overlap, recall_and_rr, surely_better
from models.training.batches import Known


def test_by_hand() -> None:
    """Query 0 finds one of two at rank 2, query 3 its only one at rank 1; there are but two items."""
    relevant = Known(np.array([0, 0, 3]), np.array([11, 12, 13]), 4)
    found = np.array([[10, 11, -1], [13, 12, -1]])
    recall, rr = recall_and_rr(found, np.array([0, 3]), relevant)
    assert recall.tolist() == [0.5, 1.0]
    assert rr.tolist() == [1 / 2, 1.0]


def test_nothing_found_is_nothing() -> None:
    relevant = Known(np.array([0]), np.array([1]), 1)
    recall, rr = recall_and_rr(np.array([[0]]), np.array([0]), relevant)
    assert (recall.tolist(), rr.tolist()) == ([0.0], [0.0])


@pytest.mark.parametrize(("gains", "better"), [([0.2, 0.1, 0.3], True), ([0.4, -0.3, 0.2], False)])
def test_a_gain_counts_beyond_its_standard_error(gains: list[float], better: bool) -> None:
    """Means .2 and .1; standard errors .047 and .17."""
    old = np.full(3, 0.5)
    assert surely_better(old + np.array(gains), old) is better


def test_equal_items_stand_for_each_other_and_none_twice() -> None:
    """Items 0, 1, 2 and 5 are copies. Exact: 0, 3, 1; found 5, 2, 0 has both copies and lacks 3."""
    equal = np.array([7, 7, 7, 8, 9, 7])
    exact, found = np.array([[0, 3, 1], [4, 3, -1]]), np.array([[5, 2, 0], [3, -1, -1]])
    assert overlap(found, exact) == pytest.approx(2 / 5)
    both = (interchangeable(labelled(rows, equal)) for rows in (found, exact))
    assert overlap(*both) == pytest.approx(3 / 5)
    assert interchangeable(labelled(found, equal))[1].tolist() == [8 << 20, -1, -1]
