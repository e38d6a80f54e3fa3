from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.arm_overlap import concentration, duplicates, found_only_by, index_behind
from models.evaluation.qrels import Judged, hits_in


def test_what_one_arm_alone_finds_by_hand() -> None:
    # two queries; relevant: 0, 1, 2 of the first, 3 of the second
    query, item = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3])
    judged = Judged.of(2, 5, query, item, np.ones(4), np.ones(4, np.bool_))
    dense = hits_in(judged, np.array([[0, 1, 4], [3, 4, -1]]))
    sparse = hits_in(judged, np.array([[1, 4, 2], [4, -1, -1]]))
    # in the first three: dense 0, 1, 3; sparse 1, 2; both: four items, of which dense alone 0 and 3
    assert found_only_by(judged, {"dense": dense, "sparse": sparse}, 3) == {"dense": 0.5, "sparse": 0.25}
    # in the first two sparse has 1 alone, which dense has too
    assert found_only_by(judged, {"dense": dense, "sparse": sparse}, 2)["sparse"] == 0


def test_p90_counts_the_items_that_fill_nine_tenths_of_the_places() -> None:
    items = np.array([7] * 80 + [8] * 10 + list(range(20, 30)))
    assert index_behind(items, 1000) == pytest.approx(2 / 1000)
    assert index_behind(np.arange(100), 200) == pytest.approx(90 / 200)
    assert index_behind(np.zeros(0, np.int64), 10) == 0


def test_duplicates_are_counted_within_a_list() -> None:
    query, group = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 6, 5, 7])
    assert duplicates(query, group) == pytest.approx(1 / 5)


def test_concentration_is_simpsons_index_by_list() -> None:
    query = np.array([0, 0, 0, 1, 1, 2])
    name = np.array([1, 1, 2, 3, 3, 9])
    # first list: of 3 pairs one is alike; second: the one pair is; the third has one place
    assert concentration(query, name) == pytest.approx((1 / 3 + 1) / 2)
