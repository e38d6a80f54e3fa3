"""False negatives by hand: counted by judgements, estimated by known positives held out."""

from __future__ import annotations

import numpy as np
import pytest

from models.mining.false_negatives import FalseNegativeCounts, hold_out
from models.mining.star import MinedNegatives
from models.training.batches import JudgedItems, Known


def mined() -> MinedNegatives:
    items = np.array([[1, 2, 3, 4], [5, 6, 7, -1]])
    ranks = np.array([[6, 13, 151, 0], [10, 11, 701, 0]])  # from 1; 0 is a random item
    return MinedNegatives(items, ranks, np.zeros((2, 4), np.float32), {}, 1)


def known(pairs: list[tuple[int, int]]) -> Known:
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return Known(found[:, 0], found[:, 1], 9)


def test_rates_by_hand() -> None:
    counts = FalseNegativeCounts()
    query = np.array([8, 3])
    # judged: (8, 1) right, (8, 2) wrong, (3, 7) right; (3, 1) was not mined for query 3
    judged, right = known([(8, 1), (8, 2), (3, 7), (3, 1)]), known([(8, 1), (3, 7), (3, 1)])
    counts.count(mined(), query, JudgedItems(judged, right))
    # of the known positives a quarter was held out; (8, 2) of them came up
    counts.count_blind(mined(), query, known([(8, 2), (3, 9)]))
    rows = {str(row.pop("ranks")): row for row in counts.rates(0.25)}
    assert list(rows) == ["random", "1-10", "11-30", "101-200", "501-", "all"]
    assert rows["1-10"] == {
        "mined": 2,
        "judged": 1,
        "relevant": 1,
        "relevant_of_judged": 1.0,
        "relevant_of_mined": 0.5,
        "held_out": 0,
        "estimate": 0.0,
    }
    assert rows["11-30"]["relevant_of_judged"] == 0.0
    assert rows["11-30"]["estimate"] == pytest.approx(1 / 0.25 / 2)
    assert rows["random"]["relevant_of_judged"] is None  # nothing judged there
    assert rows["all"] == {
        "mined": 7,
        "judged": 3,
        "relevant": 2,
        "relevant_of_judged": round(2 / 3, 6),
        "relevant_of_mined": round(2 / 7, 6),
        "held_out": 1,
        "estimate": round(4 / 7, 6),
    }


def test_without_judgements_there_is_only_the_estimate() -> None:
    counts = FalseNegativeCounts()
    counts.count(mined(), np.array([8, 3]), None)
    assert set(counts.rates(0.5)[-1]) == {"ranks", "mined"}
    counts.count_blind(mined(), np.array([8, 3]), known([]))
    assert set(counts.rates(0.5)[-1]) == {"ranks", "mined", "held_out", "estimate"}


def test_held_out_and_known_are_all_and_nothing_twice() -> None:
    query, item = np.repeat(np.arange(50), 20), np.tile(np.arange(20), 50)
    rest, out = hold_out(query, item, 0.2, 50, 0)
    assert len(rest.items) + len(out.items) == 1000
    assert 150 < len(out.items) < 250
    assert not (rest.contains(query, item) & out.contains(query, item)).any()
