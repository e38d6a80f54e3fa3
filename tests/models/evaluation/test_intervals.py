"""Intervals against scipy's bootstrap, by hand where a hand can, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.evaluation.intervals import (
    Interval,
    mean_interval,
    mean_intervals,
    over_seeds,
    ratio_span,
    resampled,
    slope_interval,
)

RNG = np.random.default_rng(7)
BEFORE = RNG.beta(2, 3, 400)
AFTER = np.clip(BEFORE + RNG.normal(0.05, 0.2, 400), 0, 1)
MANY = 20_000  # resamples: the ends' own error is then a few thousandths of the interval


def peer(statistic: object, *data: np.ndarray) -> tuple[float, float]:
    found = stats.bootstrap(
        data,
        statistic,
        paired=len(data) > 1,
        method="percentile",
        n_resamples=MANY,
        vectorized=True,
        rng=np.random.default_rng(3),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def close(found: Interval, low: float, high: float) -> None:
    assert found.low < found.value < found.high
    assert abs(found.low - low) < 0.03 * (high - low)
    assert abs(found.high - high) < 0.03 * (high - low)


def test_a_mean_as_scipy_has_it() -> None:
    close(mean_interval(BEFORE, resamples=MANY), *peer(np.mean, BEFORE))


def test_a_paired_difference_as_scipy_has_it() -> None:
    found = mean_interval(AFTER - BEFORE, resamples=MANY)
    close(found, *peer(lambda a, b, axis: a.mean(axis) - b.mean(axis), AFTER, BEFORE))
    # unpaired it would be wider: the same queries were asked
    alone = mean_interval(AFTER)
    assert found.high - found.low < alone.high - alone.low


def test_a_ratio_of_means_as_scipy_has_it() -> None:
    drawn = resampled(np.stack([AFTER, BEFORE], axis=-1), resamples=MANY)
    found = ratio_span(AFTER.mean(), BEFORE.mean(), *drawn.T)
    assert found.value == pytest.approx(AFTER.mean() / BEFORE.mean())
    close(found, *peer(lambda a, b, axis: a.mean(axis) / b.mean(axis), AFTER, BEFORE))


def test_measures_that_share_draws_are_those_measured_alone() -> None:
    both = mean_intervals(np.stack([AFTER, BEFORE], axis=1))
    assert both[0] == pytest.approx(mean_interval(AFTER))
    assert both[1] == pytest.approx(mean_interval(BEFORE))


def test_seeds_are_drawn_too() -> None:
    """Two seeds that disagree by 0.2 on every query: the interval spans both, whatever Q is."""
    flat = np.full(50, 0.5)
    found = mean_interval(np.stack([flat - 0.1, flat + 0.1]))
    assert found == pytest.approx((0.5, 0.4, 0.6))
    # seeds that agree leave the interval over queries
    twice = mean_interval(np.stack([BEFORE, BEFORE]), resamples=MANY)
    close(twice, *mean_interval(BEFORE, resamples=MANY)[1:])


def test_a_slope_by_hand() -> None:
    """Two settings of batch 1, 2, 4, which rise by .02 and .04 per doubling from levels of their own."""
    levels = [[0.3, 0.32, 0.34], [0.6, 0.64, 0.68]]
    noise = RNG.normal(0, 0.1, 100)
    values = np.array([level + noise - noise.mean() for row in levels for level in row])
    found = slope_interval([0, 1, 2, 0, 1, 2], values, ["a"] * 3 + ["b"] * 3)
    assert found == pytest.approx((0.03, 0.03, 0.03))  # the noise is the same at every point
    # as numpy fits one group
    varied = values[:3] + RNG.normal(0, 0.1, (3, 100))
    fitted = np.polyfit([0, 1, 2], varied.mean(axis=1), 1)[0]
    one = slope_interval([0, 1, 2], varied)
    assert one.value == pytest.approx(fitted)
    assert one.low < fitted < one.high


def test_student_over_seeds_by_hand() -> None:
    """.1, .2, .3: mean .2, deviation .1, t(2) = 4.3027, half width 4.3027 x .1 / sqrt(3)."""
    assert over_seeds([0.1, 0.2, 0.3]) == pytest.approx((0.2, 0.2 - 0.248414, 0.2 + 0.248414), abs=1e-5)
    assert over_seeds([0.1]) == (0.1, -np.inf, np.inf)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    hit = sum(
        found.low <= 0.4 <= found.high
        for number in range(300)
        if (found := mean_interval(rng.beta(2, 3, 150), seed=number, resamples=500))
    )
    assert 0.91 <= hit / 300 <= 0.98


def test_what_has_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no query"):
        mean_interval(np.zeros(0))
    with pytest.raises(ValueError, match="two values of x"):
        slope_interval([1, 1], np.zeros((2, 5)))


@pytest.mark.parametrize("queries", [1_000, 12_000])
def test_many_queries_have_the_interval_that_drawing_them_gives(queries: int) -> None:
    """From a thousand queries on counts are Poisson's: the ends stay within a twentieth of the width."""
    rng = np.random.default_rng(0)
    values = rng.choice([0.0, 0.2, 1.0], (queries, 2), p=[0.6, 0.3, 0.1])
    found = mean_intervals(values, resamples=6_000)
    for span, column in zip(found, values.T, strict=True):
        theirs = stats.bootstrap(
            (column,), np.mean, n_resamples=6_000, method="percentile", batch=200, rng=np.random.default_rng(1)
        ).confidence_interval
        width = theirs.high - theirs.low
        assert span.value == pytest.approx(column.mean())
        assert abs(span.low - theirs.low) < 0.05 * width
        assert abs(span.high - theirs.high) < 0.05 * width
