"""STAR mining against a plain loop, and the promise that a mined item is no known positive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mining.star import Likeness, MinedNegatives, PositiveAwareFilter, RankWindow, mine
from models.text.ragged import Ragged, ragged
from models.training.batches import Known


def plain(
    found: list[int], scores: list[float], right: set[int], like: Likeness, window: RankWindow, most: float
) -> list[int]:
    """The stated order of filters, item by item."""
    group, title, near = like.group, like.title, like.near
    groups, titles = {group[i] for i in right}, {title[i] for i in right}
    kept: list[int] = []
    above: set[int] = set()
    for rank, item in enumerate(found[: window.r_max], 1):
        own = title[item]
        close = set() if near is None else set(near.take(np.array([own])).values.tolist())
        fine = item not in right and group[item] not in groups
        fine &= own not in titles | above and not close & (titles | above)
        if fine and rank > window.r_min and scores[rank - 1] <= most:
            kept.append(item)
        above.add(own)
    return kept[: window.per_query]


def symmetric(rng: np.random.Generator, titles: int) -> Ragged:
    """Random near-duplicates among titles."""
    pairs = {tuple(sorted(p)) for p in rng.integers(0, titles, (titles // 2, 2)).tolist()}
    both = [(a, b) for a, b in pairs if a != b]
    both += [(b, a) for a, b in both]
    return ragged([[b for a, b in both if a == t] for t in range(titles)])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**31),
    st.integers(0, 10),
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(0, 60),
    st.integers(5, 60),
    st.booleans(),
)
def test_filters_are_the_plain_loop(
    seed: int, r_min: int, width: int, per_query: int, n_known: int, n_items: int, near: bool
) -> None:
    rng = np.random.default_rng(seed)
    window = RankWindow(r_min, r_min + width, per_query)
    depth = min(window.r_max, n_items)
    found = np.stack([rng.permutation(n_items)[:depth] for _ in range(6)])
    scores = -np.sort(-rng.random((6, depth)).astype(np.float32), axis=1)
    query = np.array([3, 1, 4, 0, 5, 9])
    known = Known(rng.integers(0, 10, n_known), rng.integers(0, n_items, n_known), 10)
    like = Likeness(rng.integers(0, 40, n_items), rng.integers(0, 30, n_items), symmetric(rng, 30) if near else None)
    most = rng.random(6).astype(np.float32) + 0.3
    mined = mine(found, scores, query, known, like, window, seed, most)
    check(mined, found, scores, query, known, like, window, most)


def check(
    mined: MinedNegatives,
    found: np.ndarray,
    scores: np.ndarray,
    query: np.ndarray,
    known: Known,
    like: Likeness,
    window: RankWindow,
    most: np.ndarray,
) -> None:
    filled = kept = 0
    for row, q in enumerate(query.tolist()):
        right = set(known.items[known.offsets[q] : known.offsets[q + 1]].tolist())
        expected = plain(found[row].tolist(), scores[row].tolist(), right, like, window, most[row])
        kept += len(expected)
        items = mined.items[row].tolist()
        assert items[: len(expected)] == expected
        there = [item for item in items if item >= 0]
        # random fill included: no known positive, and none of a known positive's group
        assert not right & set(there)
        assert not {like.group[i] for i in right} & {like.group[i] for i in there}
        assert len(set(there)) == len(there)
        filled += len(there) - len(expected)
        for place, item in enumerate(expected):
            assert found[row, mined.ranks[row, place] - 1] == item
            assert scores[row, mined.ranks[row, place] - 1] == mined.scores[row, place]
        assert (mined.ranks[row, len(expected) :] == 0).all()
        assert np.isnan(mined.scores[row, len(expected) :]).all()
    assert mined.filled == filled
    assert sum(mined.dropped.values()) + kept == found[:, : window.r_max].size


@pytest.mark.parametrize("per_query", [1, 2, 3])
def test_the_cross_encoder_drops_planted_false_negatives_and_keeps_true_ones(per_query: int) -> None:
    """Items 3 and 5 are right for query 0, item 2 for query 1. It reads what it must to fill the places, each pair once."""
    right, asked = {(0, 3), (0, 5), (1, 2)}, []

    def is_right(query: np.ndarray, item: np.ndarray) -> np.ndarray:
        pairs = list(zip(query.tolist(), item.tolist(), strict=True))
        asked.extend(pairs)
        return np.array([pair in right for pair in pairs])

    found = np.array([[0, 3, 5, 1, 2, 4], [0, 2, 1, 3, 4, 5]])
    scores = np.broadcast_to(np.linspace(0.9, 0.4, 6, dtype=np.float32), found.shape)
    known = Known(np.array([0, 1]), np.array([1, 5]), 2)
    like, window = Likeness(np.arange(6), np.arange(6)), RankWindow(1, 6, per_query)
    mined = mine(found, scores, np.array([0, 1]), known, like, window, 0, None, is_right)
    # rank 1 is skipped, the known positive is none
    assert mined.items[0, :2].tolist() == [2, 4][:per_query]
    assert mined.items[1].tolist() == [1, 3, 4][:per_query]
    assert mined.ranks[1].tolist() == [3, 4, 5][:per_query]
    assert mined.dropped["cross-encoder"] == 3
    assert len(asked) == len(set(asked)) and (0, 1) not in asked and (1, 0) not in asked
    # of query 1 only the first open ones up to the last place are read
    assert {item for query, item in asked if query == 1} == {2, *[1, 3, 4][:per_query]}


def test_each_drop_is_counted_once_in_the_stated_order() -> None:
    """Each item falls to the first filter it meets; the comment says which."""
    found = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1]])
    known = Known(np.array([0]), np.array([1]), 1)
    #                  0 rank window (also skipped: what is like it)
    #                  |  1 known positive  2 its group  3 its title  4 titled as 0
    #                  |  |  |  |  |  5 near 0's title  6 margin  7 kept  8 titled as 7  9 beyond
    group = np.array([10, 1, 1, 3, 4, 5, 6, 7, 8, 9])
    title = np.array([0, 1, 2, 1, 0, 3, 4, 5, 5, 6])
    near = ragged([[3], [], [], [0], [], [], []])
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3, 0.2, 0.1, -np.inf]], np.float32)
    # after the margin's limit of .32 item 6 falls, though it is in the window
    mined = mine(
        found,
        scores,
        np.array([0]),
        known,
        Likeness(group, title, near),
        RankWindow(1, 11, 1),
        0,
        np.array([0.32], np.float32),
    )
    assert mined.items.tolist() == [[7]]
    assert mined.ranks.tolist() == [[8]]  # the eighth, counted from 1
    assert mined.filled == 0
    assert mined.dropped == {
        "not in the catalogue": 1,
        "known positive": 1,
        "same group": 1,
        "same title": 3,
        "near-duplicate title": 1,
        "rank window": 1,
        "margin": 1,
        "beyond per_query": 1,
    }


def test_seeded_and_filled_where_too_few_are_left() -> None:
    rng = np.random.default_rng(0)
    found = np.stack([rng.permutation(500)[:30] for _ in range(40)])
    scores = np.zeros(found.shape, np.float32)
    known = Known(np.arange(40), found[:, 12], 40)
    labels = np.arange(500)
    window = RankWindow(10, 15, 8)  # four left of five, so four are random
    runs = [mine(found, scores, np.arange(40), known, Likeness(labels, labels), window, seed) for seed in (1, 1, 2)]
    assert runs[0].items.tolist() == runs[1].items.tolist()
    assert runs[0].items[:, :4].tolist() == runs[2].items[:, :4].tolist()
    assert runs[0].items.tolist() != runs[2].items.tolist()
    assert runs[0].filled == 160


def test_windows_that_hold_nothing_are_refused() -> None:
    for wrong in ((5, 5, 1), (-1, 5, 1), (0, 5, 0)):
        with pytest.raises(ValueError, match="r_min"):
            RankWindow(*wrong)


@pytest.mark.parametrize(
    ("kind", "positive", "expected"),
    [
        ("off", 0.5, np.inf),
        ("absolute", 0.5, 0.4),
        ("absolute", -0.5, -0.6),
        ("relative", 0.5, 0.45),
        # -.5 * (1 - .1) = -.45 would let through what scores better than the positive
        ("relative", -0.5, -0.55),
        ("relative", np.nan, np.inf),  # no known positive: no limit
    ],
)
def test_margins(kind: str, positive: float, expected: float) -> None:
    found = PositiveAwareFilter(kind, 0.1).limits(np.array([positive], np.float32))
    assert found == pytest.approx([expected])


def test_margins_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of off, absolute, relative"):
        PositiveAwareFilter("percent")
    with pytest.raises(ValueError, match="0 to 2"):
        PositiveAwareFilter("relative", -0.1)
