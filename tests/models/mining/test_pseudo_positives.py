"""Pseudo-positives: the first candidates that nobody knows, and of these the right ones."""

from __future__ import annotations

import numpy as np

from models.mining.pseudo_positives import pseudo_positives
from models.training.batches import Known


def test_by_hand() -> None:
    """Of the first two unknown candidates those that the reader takes for right; query rows are 4 and 2."""
    found = np.array([[7, 1, 3, 9], [5, 6, 8, -1], [3, -1, -1, -1]])
    query = np.array([4, 2, 0])
    known = Known(np.array([4, 2]), np.array([7, 3]), 5)
    asked: list[tuple[int, int]] = []

    def is_right(of: np.ndarray, item: np.ndarray) -> np.ndarray:
        asked.extend(zip(of.tolist(), item.tolist(), strict=True))
        return item % 2 == 1

    place, item = pseudo_positives(found, query, known, 2, is_right)
    assert asked == [(4, 1), (4, 3), (2, 5), (2, 6), (0, 3)]
    assert (place.tolist(), item.tolist()) == ([0, 0, 1, 2], [1, 3, 5, 3])
    none, _ = pseudo_positives(np.full((1, 2), -1), query[:1], known, 2, is_right)
    assert none.tolist() == []
