"""Search by several vectors of a query, against the maximum over heads by hand."""

from __future__ import annotations

import numpy as np

from models.ann.exact import nearest
from models.ann.heads import best_head, search_heads

ITEMS = np.eye(3, dtype=np.float32)


def test_an_item_has_the_score_of_its_best_head_and_stands_once() -> None:
    # the first head finds items 0, 1, 2 in this order, the second 2, 1, 0
    queries = np.array([[0.9, 0.4, 0.1, 0.0, 0.3, 0.8]], np.float32)
    scores, rows = search_heads(lambda vectors: nearest(vectors, [ITEMS], 3), queries, 3, 3)
    assert rows.tolist() == [[0, 2, 1]]
    assert np.allclose(scores, [[0.9, 0.8, 0.4]])


def test_no_query_gives_no_list() -> None:
    nobody = np.zeros((0, 6), np.float32)
    scores, rows = search_heads(lambda vectors: nearest(vectors, [ITEMS], 2), nobody, 3, 2)
    assert scores.shape == rows.shape == (0, 2)
    assert best_head(nobody, np.zeros((0, 3), np.float32)).shape == (0,)
