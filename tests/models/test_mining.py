"""STAR mining against brute force, and the promise that a mined item is no known positive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batches import Known
from models.mining import Mined, Window, mine, nearest


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("chunk", [7, 50, 200])
def test_nearest_is_brute_force_over_all_chunks(chunk: int) -> None:
    queries, items = unit(9, 8, 0), unit(200, 8, 1)
    scores, rows = nearest(queries, (items[s : s + chunk] for s in range(0, 200, chunk)), 30)
    expected = np.argsort(-(queries @ items.T), axis=1)[:, :30]
    assert rows.tolist() == expected.tolist()
    assert np.allclose(scores, np.take_along_axis(queries @ items.T, expected, axis=1), atol=1e-6)


def test_nearest_in_a_catalogue_smaller_than_the_depth() -> None:
    _, rows = nearest(unit(2, 8, 0), iter([unit(3, 8, 1)]), 5)
    assert sorted(rows[0].tolist()) == [-1, -1, 0, 1, 2]
    assert rows[0, 3:].tolist() == [-1, -1]


def plain(
    found: list[int], right: set[int], group: np.ndarray, title: np.ndarray, window: Window
) -> list[int]:
    """The stated order of filters, item by item."""
    groups, titles = {group[i] for i in right}, {title[i] for i in right}
    kept: list[int] = []
    seen: set[int] = set()
    for rank, item in enumerate(found):
        if not window.r_min <= rank < window.r_max or item < 0:
            continue
        if item in right or group[item] in groups:
            continue
        if title[item] in titles or title[item] in seen:
            continue
        seen.add(title[item])
        kept.append(item)
    return kept[: window.per_query]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**31), st.integers(0, 10), st.integers(1, 40), st.integers(1, 8),
    st.integers(0, 60), st.integers(5, 60),
)  # fmt: skip
def test_filters_are_the_plain_loop(
    seed: int, r_min: int, width: int, per_query: int, n_known: int, n_items: int
) -> None:
    rng = np.random.default_rng(seed)
    window = Window(r_min, r_min + width, per_query)
    depth = min(window.r_max, n_items)
    found = np.stack([rng.permutation(n_items)[:depth] for _ in range(6)])
    scores = -np.sort(-rng.random((6, depth)).astype(np.float32), axis=1)
    query = np.array([3, 1, 4, 0, 5, 9])
    known = Known(rng.integers(0, 10, n_known), rng.integers(0, n_items, n_known), 10)
    group, title = rng.integers(0, 40, n_items), rng.integers(0, 30, n_items)
    mined = mine(found, scores, query, known, group, title, window, seed)
    check(mined, found, scores, query, known, group, title, window)


def check(
    mined: Mined, found: np.ndarray, scores: np.ndarray, query: np.ndarray, known: Known,
    group: np.ndarray, title: np.ndarray, window: Window,
) -> None:  # fmt: skip
    filled = kept = 0
    for row, q in enumerate(query.tolist()):
        right = set(known.items[known.offsets[q] : known.offsets[q + 1]].tolist())
        expected = plain(found[row].tolist(), right, group, title, window)
        kept += len(expected)
        items = mined.items[row].tolist()
        assert items[: len(expected)] == expected
        assert not right & set(items)
        there = [item for item in items if item >= 0]
        assert len(set(there)) == len(there)
        filled += len(there) - len(expected)
        for place, item in enumerate(expected):
            assert found[row, mined.ranks[row, place]] == item
            assert scores[row, mined.ranks[row, place]] == mined.scores[row, place]
        assert (mined.ranks[row, len(expected) :] == -1).all()
        assert np.isnan(mined.scores[row, len(expected) :]).all()
    assert mined.filled == filled
    assert sum(mined.dropped.values()) + kept == found[:, : window.r_max].size


def test_each_drop_is_counted_once_in_the_stated_order() -> None:
    """Ranks: 0 skipped, 1 known positive, 2 its group, 3 its title, 4 kept, 5 titled as 4, 6 kept."""
    found = np.arange(7)[None, :]
    known = Known(np.array([0]), np.array([1]), 1)
    group, title = np.array([0, 1, 1, 3, 4, 5, 6]), np.array([0, 1, 2, 1, 4, 4, 6])
    scores = np.linspace(1, 0, 7, dtype=np.float32)[None, :]
    mined = mine(found, scores, np.array([0]), known, group, title, Window(1, 7, 2), 0)
    assert mined.items.tolist() == [[4, 6]]
    assert mined.ranks.tolist() == [[4, 6]]
    assert mined.filled == 0
    assert mined.dropped == {
        "rank window": 1, "known positive": 1, "same group": 1, "same title": 2, "beyond per_query": 0,
    }  # fmt: skip


def test_seeded_and_independent_of_how_many_are_mined_together() -> None:
    rng = np.random.default_rng(0)
    found = np.stack([rng.permutation(500)[:30] for _ in range(40)])
    scores = np.zeros(found.shape, np.float32)
    known = Known(np.arange(40), found[:, 12], 40)
    labels = np.arange(500)
    window = Window(10, 15, 8)  # four left of five, so four are random
    runs = [
        mine(found, scores, np.arange(40), known, labels, labels, window, seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0].items.tolist() == runs[1].items.tolist()
    assert runs[0].items[:, :4].tolist() == runs[2].items[:, :4].tolist()
    assert runs[0].items.tolist() != runs[2].items.tolist()
    assert runs[0].filled == 160


def test_windows_that_hold_nothing_are_refused() -> None:
    for wrong in ((5, 5, 1), (-1, 5, 1), (0, 5, 0)):
        with pytest.raises(ValueError, match="r_min"):
            Window(*wrong)
