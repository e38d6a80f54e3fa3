from __future__ import annotations

import json

import numpy as np
import pytest
from kneed import KneeLocator

from models.ann.cutoff import (
    SERVED,
    Cutoff,
    JudgedLists,
    _row,
    compare_cutoffs,
    fit_fixed,
    fit_threshold,
    knees,
    shares,
    without_knee,
)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("length", [20, 60, 100])
def test_the_knee_of_a_smooth_list_is_where_kneed_finds_it(power: float, length: int) -> None:
    # on a ragged list kneed stops at an early local knee; ours takes the deepest one
    scores = ((np.arange(length) + 3.0) ** -power).astype(np.float32)
    locator = KneeLocator(range(length), scores, S=0, curve="convex", direction="decreasing")
    assert abs(int(knees(scores[None])[0]) - int(locator.knee)) <= 1


def test_knee_by_hand() -> None:
    # three good items, then a cliff, then a plain: the cliff's foot is the knee
    assert knees(np.array([[0.9, 0.88, 0.86, 0.3, 0.29, 0.28, 0.27]], np.float32)).tolist() == [3]


def test_a_straight_or_flat_list_has_no_knee_and_keeps_everything() -> None:
    lists = np.array([[4, 3, 2, 1], [5, 5, 5, 5], [4, 3, -np.inf, -np.inf]], np.float32)
    assert knees(lists).tolist() == [3, 3, 1]


def random_lists(kind: str, seed: int) -> np.ndarray:
    """Falling lists: power laws with noise, steps, near straight lines, and lists that end early."""
    rng = np.random.default_rng(seed)
    if kind == "walks":
        return -np.cumsum(rng.exponential(size=(50, 40)), axis=1).astype(np.float32)
    if kind == "steps":
        return -np.sort(rng.integers(0, 6, (50, 40)), axis=1).astype(np.float32)
    powers = rng.uniform(0.1, 3, (50, 1))
    noisy = (np.arange(40) + 2.0) ** -powers + rng.normal(0, 0.01, (50, 40))
    return -np.sort(-noisy, axis=1).astype(np.float32)


@pytest.mark.parametrize("kind", ["walks", "steps", "powers"])
@pytest.mark.parametrize("seed", range(4))
def test_knees_of_random_lists_are_among_kneeds_and_the_deepest(kind: str, seed: int) -> None:
    """kneed walks list by list and names every local knee; ours are the deepest of them, all at once."""
    lists = random_lists(kind, seed)
    missing = without_knee(lists)
    for scores, ours, none in zip(lists, knees(lists).tolist(), missing, strict=True):
        theirs = KneeLocator(
            range(len(scores)), scores.astype(float), S=0, curve="convex", direction="decreasing", online=True
        )
        deepest = float(theirs.y_difference.max())
        if none:
            assert deepest <= 1e-6
            assert ours == len(scores) - 1
            continue
        assert theirs.y_difference[ours] == pytest.approx(deepest, abs=1e-6)
        assert any(theirs.y_difference[knee] == pytest.approx(deepest, abs=1e-6) for knee in theirs.all_knees)


def test_lists_without_a_knee_are_told() -> None:
    gone = -np.inf
    lists = np.array([[4, 3, 2, 1], [5, 5, 5, 5], [9, 8, 7, 1], [9, 2, 1, 0], [4, gone, gone, gone]], np.float32)
    assert without_knee(lists).tolist() == [True, True, True, False, True]


def judged(seed: int = 0, queries: int = 200, depth: int = 50) -> JudgedLists:
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.random((queries, depth)), axis=1).astype(np.float32)
    hits = rng.random(scores.shape) < 0.2 * scores
    return JudgedLists(scores, hits, hits.sum(axis=1) + rng.integers(0, 3, queries))


def kept_by_loop(lists: JudgedLists, rule: Cutoff) -> float:
    shares = []
    for scores, hits in zip(lists.scores, lists.hits, strict=True):
        length = int(rule.lengths(scores[None])[0])
        if hits.any():
            shares.append(hits[:length].sum() / hits.sum())
    return float(np.mean(shares))


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("min_items", [1, 10])
def test_the_fitted_rules_are_the_tightest_that_keep_enough(keep: float, min_items: int) -> None:
    """Against trying every threshold and every K."""
    lists = judged()
    best_k = next(k for k in range(1, 51) if kept_by_loop(lists, Cutoff("fixed", k, min_items)) >= keep)
    assert fit_fixed(lists, keep, min_items) == Cutoff("fixed", best_k, min_items, reads=SERVED)
    found = fit_threshold(lists, keep, min_items)
    assert kept_by_loop(lists, found) >= keep
    of_best = lists.scores / lists.scores[:, :1].astype(np.float64)
    tighter = [
        Cutoff("threshold", float(share), min_items, reads=SERVED)
        for share in np.unique(of_best[lists.hits & (of_best > found.value)])
    ]
    assert all(kept_by_loop(lists, rule) < keep for rule in tighter[:: max(1, len(tighter) // 40)])


def test_nothing_relevant_means_nothing_is_cut() -> None:
    scores = np.ones((2, 3), np.float32)
    nothing = JudgedLists(scores, np.zeros((2, 3), bool), np.zeros(2, np.int64))
    assert fit_threshold(nothing) == fit_fixed(nothing) == Cutoff("none", reads=SERVED)


def test_a_comparison_by_hand() -> None:
    """Two queries, ten items each; no floor under the lists, so that the numbers can be counted."""
    scores = np.array(
        [
            [0.9, 0.8, 0.7, 0.3, 0.29, 0.28, 0.27, 0.26, 0.25, 0.24],
            [0.9, 0.5, 0.49, 0.48, 0.47, 0.46, 0.45, 0.44, 0.43, 0.42],
        ],
        np.float32,
    )
    hits = np.zeros((2, 10), bool)
    hits[0, [0, 1, 2]] = hits[1, [0, 3]] = True
    lists = JudgedLists(scores, hits, np.array([4, 2]))  # of the first query one was never found
    rule = Cutoff("threshold", 0.48 / 0.9, min_items=1, reads=SERVED)
    assert rule.lengths(scores).tolist() == [3, 4]
    row = _row(rule, scores, lists)
    assert row["precision"] == pytest.approx((3 / 3 + 2 / 4) / 2)
    assert row["recall"] == pytest.approx((3 / 4 + 2 / 2) / 2)
    assert row["f1"] == pytest.approx((6 / 7 + 4 / 6) / 2)
    assert (row["kept_frac"], row["mean_items"], row["median_items"]) == (1.0, 3.5, 3.5)
    assert row["no_knee_frac"] is None
    assert fit_threshold(lists, 1.0, min_items=1) == Cutoff("threshold", pytest.approx(0.48 / 0.9), 1, reads=SERVED)
    assert fit_fixed(lists, 1.0, min_items=1) == Cutoff("fixed", 4, 1, reads=SERVED)
    assert fit_fixed(lists, 0.75, min_items=1) == Cutoff("fixed", 3, 1, reads=SERVED)  # (3/3 + 1/2) / 2


def test_auto_takes_the_shortest_lists_that_keep_enough() -> None:
    lists = judged()
    rule, rows = compare_cutoffs(lists.scores, lists, "auto", keep_frac=0.9)
    assert [row["kind"] for row in rows] == ["none", "knee", "threshold", "fixed"]
    enough = [row for row in rows if row["kept_frac"] >= 0.9]
    (chosen,) = [row for row in rows if row["chosen"]]
    assert chosen in enough and chosen["kind"] == rule.kind
    assert chosen["mean_items"] == min(row["mean_items"] for row in enough)
    none = rows[0]
    assert (none["kept_frac"], none["mean_items"]) == (1.0, 50.0)
    for kind in ("none", "knee", "threshold", "fixed"):  # each may be had all the same
        given, told = compare_cutoffs(lists.scores, lists, kind, keep_frac=0.9)
        assert given.kind == kind == next(row["kind"] for row in told if row["chosen"])


def test_where_relevant_items_end_at_a_cliff_the_knee_wins() -> None:
    """Lists of very different length, each with a cliff behind its relevant items, at shares of the best score that
    differ: one threshold or one K for all must show too much."""
    rng = np.random.default_rng(0)
    lengths, edges = rng.integers(12, 60, 300), rng.uniform(0.3, 0.9, (300, 1))
    places = np.arange(100)
    inside = places < lengths[:, None]
    slope = 1 - (1 - edges) * places / lengths[:, None]
    scores = (np.where(inside, slope, edges - 0.2) - 1e-4 * places).astype(np.float32)
    rule, rows = compare_cutoffs(scores, JudgedLists(scores, inside, lengths))
    assert rule.kind == "knee"
    knee = next(row for row in rows if row["kind"] == "knee")
    assert knee["recall"] == 1.0 and knee["precision"] > 0.95 and knee["no_knee_frac"] == 0


@pytest.mark.parametrize("kind", ["auto", "knee", "threshold", "fixed"])
def test_without_judgements_the_knee_stays_and_sizes_are_told(kind: str) -> None:
    scores = random_lists("powers", 1)
    rule, rows = compare_cutoffs(scores, None, kind)
    assert rule == Cutoff("knee", depth=40, reads=SERVED)  # of the depth that it was compared on
    assert [(row["kind"], row["chosen"], row["precision"]) for row in rows] == [
        ("none", False, None),
        ("knee", True, None),
    ]
    assert rows[1]["mean_items"] == pytest.approx(rule.lengths(scores).mean())
    assert rows[1]["no_knee_frac"] == without_knee(scores).mean()
    json.dumps(rows)


def test_a_knee_is_that_of_the_depth_at_which_it_was_compared() -> None:
    scores = random_lists("powers", 2)
    rule = Cutoff("knee", min_items=1, depth=20)
    assert np.array_equal(rule.lengths(scores), Cutoff("knee", min_items=1).lengths(scores[:, :20]))


@pytest.mark.parametrize(
    ("rule", "lengths"),
    [
        (Cutoff("none"), [5, 3]),
        (Cutoff("threshold", 0.5, min_items=1), [2, 1]),
        (Cutoff("threshold", 0.5, min_items=4), [4, 3]),  # never more than there are
        (Cutoff("threshold", 0.4, min_items=1, reads=SERVED), [2, 2]),  # from .36 on, in both lists
        (Cutoff("threshold", 0.1, min_items=1, reads=SERVED), [5, 3]),
        (Cutoff("knee", min_items=1), [3, 2]),
        (Cutoff("fixed", 4, min_items=1), [4, 3]),
        (Cutoff("fixed", 1, min_items=2), [2, 2]),
    ],
)
def test_lengths(rule: Cutoff, lengths: list[int]) -> None:
    gone = -np.inf
    scores = np.array([[0.9, 0.8, 0.2, 0.19, 0.18], [0.9, 0.4, 0.35, gone, gone]], np.float32)
    assert rule.lengths(scores).tolist() == lengths


def test_scores_of_any_unit_end_at_the_same_place() -> None:
    """A fused score has no unit: RRF's best is .03, min-max's is 1."""
    rule, scores = Cutoff("threshold", 0.5, min_items=1, reads=SERVED), random_lists("powers", 3)
    whole = scores - scores.min() + 0.01
    assert rule.lengths(whole).tolist() == rule.lengths((0.03 * whole).astype(np.float32)).tolist()


def test_a_list_whose_best_score_is_not_positive_is_not_ended() -> None:
    lists = np.array([[-0.1, -0.2, -0.3], [0.0, -1.0, -np.inf]], np.float32)
    assert shares(lists).tolist() == [[1, 1, 1], [1, 1, -np.inf]]
    assert Cutoff("threshold", 0.9, min_items=1, reads=SERVED).lengths(lists).tolist() == [3, 2]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="elbow"):
        Cutoff("elbow")
    with pytest.raises(ValueError, match="reads 'sparse'"):
        Cutoff("knee", reads="sparse")
