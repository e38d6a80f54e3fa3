"""The training dial against numbers worked out by hand."""

import numpy as np

from models.batches import Known
from models.recall import recall_and_rr


def test_by_hand() -> None:
    """Query 0 finds one of two at rank 2, query 3 its only one at rank 1; the item rows are a sample."""
    items = np.eye(4, dtype=np.float32)
    item_rows = np.array([10, 11, 12, 13])
    queries = np.array([[0.9, 0.8, 0.1, 0.0], [0.0, 0.1, 0.2, 0.9]], np.float32)
    relevant = Known(np.array([0, 0, 3]), np.array([11, 12, 13]), 4)
    recall, rr = recall_and_rr(queries, np.array([0, 3]), items, item_rows, relevant, cutoff=2)
    assert recall.tolist() == [0.5, 1.0]
    assert rr.tolist() == [1 / 2, 1.0]


def test_nothing_found_is_nothing() -> None:
    relevant = Known(np.array([0]), np.array([1]), 1)
    queries, items = np.array([[1.0, 0.0]], np.float32), np.eye(2, dtype=np.float32)
    recall, rr = recall_and_rr(queries, np.array([0]), items, np.arange(2), relevant, 1)
    assert (recall.tolist(), rr.tolist()) == ([0.0], [0.0])
