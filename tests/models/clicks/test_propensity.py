"""Propensities against numbers worked out by hand, against the truth of simulated logs, and against their own errors."""

from __future__ import annotations

import numpy as np
import pytest

from models.clicks.propensity import Propensities, estimate

Ints = np.ndarray


def logged(theta: np.ndarray, pairs: int, searches: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Rows of a log in which the better an item the higher it stands, with noise; clicks by position and item."""
    attraction = rng.beta(0.6, 2.0, pairs)
    home = np.argsort(np.argsort(-attraction + 0.25 * rng.standard_normal(pairs)))
    home = home * len(theta) // pairs
    at = np.clip(home[:, None] + rng.integers(-3, 4, (pairs, searches)), 0, len(theta) - 1)
    clicks = rng.random((pairs, searches)) < theta[at] * attraction[:, None]
    cell = np.arange(pairs)[:, None] * len(theta) + at
    shown = np.bincount(cell.ravel(), minlength=pairs * len(theta))
    clicked = np.bincount(cell.ravel(), clicks.ravel(), pairs * len(theta)).astype(np.int64)
    row = np.flatnonzero(shown)
    return row // len(theta), row % len(theta) + 1, shown[row], clicked[row]


def test_two_positions_by_hand() -> None:
    # one item: 80 of 200 at the top, 60 of 300 at the second; another, much better: 50 of 100 and 25 of 100
    found = estimate(
        np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2]), np.array([200, 300, 100, 100]), np.array([80, 60, 50, 25]), 2
    )
    # both rates are halved from first to second
    assert found.propensity == pytest.approx([1.0, 0.5], abs=1e-6)
    assert found.clicks.tolist() == [130, 85]
    assert found.impressions.tolist() == [300, 400]


def test_one_pair_has_the_error_of_a_ratio_of_two_counts() -> None:
    found = estimate(np.array([0, 0]), np.array([1, 2]), np.array([1000, 1000]), np.array([400, 100]), 2)
    assert found.propensity[1] == pytest.approx(0.25)
    # many small pairs of the same rates: relative error sqrt(1 / 400 + 1 / 100), for Poisson's counts
    rng = np.random.default_rng(1)
    shown = np.full(2000, 1)
    clicks = rng.random(2000) < np.tile([0.4, 0.1], 1000)
    many = estimate(np.repeat(np.arange(1000), 2), np.tile([1, 2], 1000), shown, clicks.astype(int), 2)
    assert many.error[1] / many.propensity[1] == pytest.approx(np.sqrt(1 / 400 + 1 / 100), rel=0.2)


@pytest.mark.parametrize("eta", [0.5, 1.0, 1.7])
def test_truth_is_found_where_good_items_stand_high(eta: float) -> None:
    truth = np.arange(1, 11, dtype=float) ** -eta
    rows = logged(truth, 6000, 40, np.random.default_rng(3))
    found = estimate(*rows, 10)
    off = np.abs(found.propensity - truth) / np.maximum(found.error, 1e-12)
    assert np.nanmax(off[1:]) < 4
    assert np.abs(np.log(found.propensity / truth)).max() < 0.15
    assert found.eta == pytest.approx(eta, abs=0.06)
    # the plain click rate by position would be far off: it takes good items for good places
    rate = np.bincount(rows[1] - 1, rows[3]) / np.bincount(rows[1] - 1, rows[2])
    assert np.log(rate / rate[0] / truth).min() < -0.5


def test_errors_cover_the_truth_as_often_as_they_say() -> None:
    truth = np.arange(1, 7, dtype=float) ** -1.0
    covered = []
    for seed in range(60):
        found = estimate(*logged(truth, 800, 30, np.random.default_rng(seed)), 6)
        covered.append(np.abs(found.propensity - truth)[1:] < 1.96 * found.error[1:])
    assert 0.9 < np.mean(covered) < 0.99


def test_a_position_with_few_clicks_goes_by_the_curve_of_the_others() -> None:
    truth = np.arange(1, 9, dtype=float) ** -1.0
    rows = logged(truth, 3000, 30, np.random.default_rng(5))
    use = rows[1] <= 5
    found = estimate(*(column[use] for column in rows), 12)
    assert np.isnan(found.error[5:]).all()
    assert np.isfinite(found.error[:5]).all()
    ratios = found.propensity[5:] / found.propensity[4]
    assert ratios == pytest.approx((np.arange(6, 13) / 5) ** -found.eta)
    assert (np.diff(found.propensity[4:]) < 0).all()


def test_too_little_to_compare_is_said() -> None:
    one: Ints = np.array([0])
    with pytest.raises(ValueError, match=r"found 30 clicks at position 1 .* widen the window"):
        estimate(one, one + 1, one + 100, one + 30, 10)


def test_what_is_returned_is_plain() -> None:
    found = estimate(*logged(np.array([1.0, 0.5, 0.3]), 500, 30, np.random.default_rng(2)), 3)
    assert isinstance(found, Propensities)
    assert found.propensity[0] == 1.0
    assert found.error[0] == 0.0
    assert found.steps < 500
