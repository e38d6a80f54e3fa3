"""Labels of a list, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.reranking.labels import ListLabels, list_labels

LISTED = np.array([7, 2, 5, 9])


def labels(prior: float = 1.0, of_best: bool = True) -> ListLabels:
    """Item 2: 4 clicks of 9 examined; 5: one of one; 9: none of 3; 7: nobody saw it; 1 is not listed."""
    rows, position = np.array([1, 2, 5, 9]), np.array([1, 3, 8, 2], np.int32)
    value, examined = np.array([9.0, 4.0, 1.0, 0.0]), np.array([9.0, 9.0, 1.0, 3.0])
    return list_labels(LISTED, rows, value, examined, position, prior, 0.1, of_best)


def test_rates_are_shrunk_and_shares_of_the_best() -> None:
    made = labels()
    # rates 4 / 10 and 1 / 2: the second is the best of the list, though less sure
    assert made.label == pytest.approx([0.0, 0.8, 1.0, 0.0])
    assert made.weight == pytest.approx([0.1, 0.9, 0.5, 0.75])
    assert made.position.tolist() == [0, 3, 8, 2]
    assert made.label.dtype == made.weight.dtype == np.float32


def test_grades_are_taken_as_they_are() -> None:
    rows, one = np.array([2, 5]), np.ones(2)
    made = list_labels(LISTED, rows, np.array([1.0, 1 / 3]), one, one.astype(np.int32), 0.0, 0.1, False)
    assert made.label == pytest.approx([0.0, 1.0, 1 / 3, 0.0])
    assert made.weight == pytest.approx([0.1, 1.0, 1.0, 0.1])


def test_a_query_without_known_items_has_labels_of_zero() -> None:
    none = np.zeros(0)
    made = list_labels(LISTED, none.astype(np.int64), none, none, none.astype(np.int32), 1.0, 0.2, True)
    assert made.label.tolist() == [0.0] * 4
    assert made.weight == pytest.approx([0.2] * 4)


def test_more_value_than_looks_is_at_most_one() -> None:
    assert labels(prior=0.0, of_best=False).label.max() == 1.0
