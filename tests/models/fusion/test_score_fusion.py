"""Fusion by normalised scores: by hand, and against a plain double loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fusion.fuse import convex_combination, normalised
from models.fusion.ranked_lists import Ranked, trec_order


def ranked(*lists: list[tuple[int, float]]) -> Ranked:
    """Lists of (item, score), filled up with ends."""
    depth = max(map(len, lists))
    rows = [one + [(-1, -math.inf)] * (depth - len(one)) for one in lists]
    items = np.array([[item for item, _ in row] for row in rows], np.int64)
    return Ranked(items, np.array([[score for _, score in row] for row in rows], np.float32))


DENSE = ranked([(7, 0.75), (3, 0.5), (9, 0.25)])
SPARSE = ranked([(5, 12.0), (7, 9.0), (3, 6.0)])


def test_min_max_by_hand() -> None:
    # dense 7: 1, 3: .5, 9: 0; sparse 5: 1, 7: .5, 3: 0; who lacks has 0
    fused = convex_combination([DENSE, SPARSE], [0.6, 0.4], 4)
    assert fused.items.tolist() == [[7, 5, 3, 9]]
    np.testing.assert_allclose(fused.scores[0], [0.6 + 0.2, 0.4, 0.3, 0.0], rtol=1e-6)


def test_z_scores_by_hand() -> None:
    # both lists have their values evenly spaced: z = sqrt(3/2), 0, -sqrt(3/2), the last for who lacks
    z = math.sqrt(1.5)
    fused = convex_combination([DENSE, SPARSE], [0.6, 0.4], 4, "zscore")
    assert fused.items.tolist() == [[7, 5, 3, 9]]
    expected = [0.6 * z, -0.6 * z + 0.4 * z, -0.4 * z, -z]
    np.testing.assert_allclose(fused.scores[0], expected, rtol=1e-6, atol=1e-7)


def test_units_do_not_matter_but_raw_sums_would() -> None:
    grown = Ranked(SPARSE.items, 100 * SPARSE.scores + 7)
    for norm in ("minmax", "zscore"):
        once = convex_combination([DENSE, SPARSE], [0.7, 0.3], 4, norm)
        again = convex_combination([DENSE, grown], [0.7, 0.3], 4, norm)
        assert once.items.tolist() == again.items.tolist()
        np.testing.assert_allclose(once.scores, again.scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", ["minmax", "zscore"])
def test_a_list_of_equals_says_who_stands_in_it_and_an_empty_one_nothing(norm: str) -> None:
    # a model number that one item has: it must gain by being found
    single = ranked([(3, 4.5)])
    values, low = normalised(single, norm)
    assert values.tolist() == [[1.0]] and low.tolist() == [0.0]
    assert convex_combination([DENSE, single], [0.1, 0.9], 3, norm).items[0, 0] == 3
    empty = ranked([(-1, -math.inf)])
    fused = convex_combination([DENSE, empty], [0.5, 0.5], 5, norm)
    assert fused.items.tolist() == [[7, 3, 9, -1, -1]]
    nothing = convex_combination([empty, empty], [0.5, 0.5], 2, norm)
    assert (nothing.items == -1).all() and np.isneginf(nothing.scores).all()


def by_loop(arms: list[Ranked], weights: list[float], norm: str, query: int) -> dict[int, float]:
    """One query's fused scores, written down again item by item."""
    total: dict[int, float] = {}
    tables = []
    for arm in arms:
        items, scores = arm.items[query].tolist(), arm.scores[query].tolist()
        given = {item: score for item, score in zip(items, scores, strict=True) if item >= 0}
        found = list(given.values())
        if not found:
            tables.append(({}, 0.0))
        elif len(set(found)) == 1:
            tables.append((dict.fromkeys(given, 1.0), 0.0))
        elif norm == "minmax":
            low, high = min(found), max(found)
            tables.append(({i: (s - low) / (high - low) for i, s in given.items()}, 0.0))
        else:
            mean = sum(found) / len(found)
            deviation = math.sqrt(sum((s - mean) ** 2 for s in found) / len(found))
            made = {i: (s - mean) / deviation for i, s in given.items()}
            tables.append((made, min(made.values())))
    for item in {item for made, _ in tables for item in made}:
        total[item] = sum(weight * made.get(item, low) for weight, (made, low) in zip(weights, tables, strict=True))
    return total


def drawn(seed: int, n_arms: int) -> list[Ranked]:
    """Random lists with ties and ends, some empty, in trec_eval's order."""
    rng = np.random.default_rng(seed)
    arms = []
    for number in range(n_arms):
        items = np.stack([rng.permutation(20)[:8] for _ in range(4)])
        items[np.arange(8) >= rng.integers(0, 9, (4, 1))] = -1
        arms.append(trec_order(items, 10.0**number * rng.integers(-9, 9, (4, 8)).astype(np.float32)))
    return arms


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from(["minmax", "zscore"]), st.integers(1, 24))
def test_it_equals_a_double_loop(seed: int, n_arms: int, norm: str, depth: int) -> None:
    arms = drawn(seed, n_arms)
    weights = np.random.default_rng(seed).dirichlet(np.ones(n_arms)).tolist()
    fused = convex_combination(arms, weights, depth, norm)
    for query in range(4):
        expected = by_loop(arms, weights, norm, query)
        shown = [item for item in fused.items[query].tolist() if item >= 0]
        assert len(shown) == len(set(shown)) == min(depth, len(expected))
        best = sorted(expected.values(), reverse=True)[: len(shown)]
        np.testing.assert_allclose([expected[item] for item in shown], best, atol=1e-5)
        np.testing.assert_allclose(fused.scores[query][: len(shown)], best, rtol=1e-5, atol=1e-5)
        pairs = list(zip(fused.scores[query].tolist(), shown, strict=False))
        assert pairs == sorted(pairs, reverse=True)  # and ties by the larger item


@given(st.integers(0, 2**32 - 1), st.sampled_from(["minmax", "zscore"]))
def test_a_weight_of_one_gives_that_arms_order(seed: int, norm: str) -> None:
    one, other = drawn(seed, 2)
    for weights, mine in (([1.0, 0.0], one), ([0.0, 1.0], other)):
        fused = convex_combination([one, other], weights, 20, norm)
        for query in range(4):
            items, scores = mine.items[query], mine.scores[query]
            above = items[(items >= 0) & (scores > scores[items >= 0].min(initial=np.inf))].tolist()
            # the list's lowest are level with those that lack
            assert fused.items[query][: len(above)].tolist() == above


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="one weight per arm"):
        convex_combination([DENSE], [0.5, 0.5], 3)
    with pytest.raises(ValueError, match="same queries"):
        convex_combination([DENSE, drawn(0, 1)[0]], [0.5, 0.5], 3)
    with pytest.raises(ValueError, match="norm 'raw'"):
        convex_combination([DENSE], [1.0], 3, "raw")
