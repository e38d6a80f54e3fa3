"""Batches: the mask against a plain loop, the order's laws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.batches import Known, Pairs, batches_of, epoch_order

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 14)), max_size=60)


def known_of(pairs: list[tuple[int, int]]) -> Known:
    array = np.array(pairs, np.int64).reshape(-1, 2)
    return Known(array[:, 0], array[:, 1], 10)


@settings(deadline=None)
@given(
    PAIRS, st.lists(st.integers(0, 12), min_size=1, max_size=8), st.lists(st.integers(0, 20), min_size=1, max_size=12)
)
def test_hits_and_contains_are_the_plain_loop(pairs: list[tuple[int, int]], query: list[int], item: list[int]) -> None:
    """Queries 10 to 12 are made up: they have no known positives. Items repeat within a batch."""
    expected = [[(q, i) in pairs for i in item] for q in query]
    known, queries, items = known_of(pairs), np.array(query), np.array(item)
    columns = np.unique(items)
    rows, places = known.hits(queries, columns)
    found = np.zeros((len(query), len(columns)), np.bool_)
    found[rows, places] = True
    assert found[:, np.searchsorted(columns, items)].tolist() == expected
    assert np.all(np.diff(rows * len(columns) + places) >= 0)  # by row
    of_old = queries < 10
    held = known.contains(queries[of_old][:, None], items)
    assert held.tolist() == np.array(expected)[of_old].tolist()


def test_no_item_is_known_by_its_absence() -> None:
    assert not known_of([(0, 14)]).contains(np.array([0, 1]), np.array([-1, -1])).any()


def pairs_of(counts: list[int]) -> Pairs:
    query = np.repeat(np.arange(len(counts)), counts)
    return Pairs(query, np.arange(len(query)))


def test_an_epoch_holds_every_pair_once_and_follows_from_its_seed() -> None:
    pairs = pairs_of([1, 2, 3, 40, 5])
    order = epoch_order(pairs, 7, 3)
    assert sorted(order.tolist()) == list(range(51))
    assert order.tolist() == epoch_order(pairs, 7, 3).tolist()
    assert order.tolist() != epoch_order(pairs, 7, 4).tolist()
    assert order.tolist() != epoch_order(pairs, 8, 3).tolist()


def test_a_batch_holds_a_query_once() -> None:
    """2,000 queries of 1 to 8 pairs, 140 batches of 64: every query can be spread out."""
    counts = np.random.default_rng(0).integers(1, 9, 2000).tolist()
    pairs = pairs_of(counts)
    batches = batches_of(epoch_order(pairs, 0, 0), 64)
    assert len(batches) == sum(counts) // 64
    repeats = sum(64 - len(np.unique(pairs.query[rows])) for rows in batches)
    assert repeats <= 0.001 * sum(counts)


def test_weights_draw_pairs_in_proportion() -> None:
    pairs = Pairs(np.arange(4), np.arange(4), np.array([1, 1, 2, 4], np.float32))
    drawn = np.concatenate([epoch_order(pairs, 0, epoch) for epoch in range(500)])
    assert np.allclose(np.bincount(drawn) / len(drawn), [1 / 8, 1 / 8, 2 / 8, 4 / 8], atol=0.02)
    # systematic: in any epoch a pair's count is its share rounded up or down
    assert set(np.bincount(epoch_order(pairs, 0, 0), minlength=4)[[3]]) <= {2}


def test_a_short_last_batch_is_left_out() -> None:
    assert [len(rows) for rows in batches_of(np.arange(10), 4)] == [4, 4]
    assert [len(rows) for rows in batches_of(np.arange(3), 4)] == [3]
