from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from models.evaluation.significance import holm, least_resamples, permutation_p, worse_p


def test_all_signs_by_hand() -> None:
    """Eight queries: 256 ways to exchange the pairs, each written down."""
    found = np.array([0.3, 0.1, 0.4, -0.1, 0.2, 0.5, 0.0, 0.1])
    signs = np.array(list(product([1, -1], repeat=8)))
    exact = (np.abs(signs @ found) >= abs(found.sum()) - 1e-9).mean()
    assert permutation_p(found[:, None], resamples=20_000)[0] == pytest.approx(exact, abs=0.006)


def test_as_scipy_says() -> None:
    rng = np.random.default_rng(0)
    found = rng.normal(0.05, 0.3, 150)
    theirs = stats.permutation_test(
        (found,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    ).pvalue
    assert permutation_p(found[:, None], resamples=20_000)[0] == pytest.approx(theirs, abs=0.01)


def test_under_no_difference_p_is_uniform() -> None:
    rng = np.random.default_rng(2)
    p = permutation_p(rng.normal(0, 1, (80, 400)), resamples=1_000)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_arms_that_agree_everywhere_do_not_differ_and_no_query_is_an_error() -> None:
    assert permutation_p(np.zeros((50, 2))).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="no query"):
        permutation_p(np.zeros((0, 1)))


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04: x4, x3, x2, x1, each at least the one before
    assert holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.zeros(0)).tolist() == []


def test_worse_is_students_test_against_the_margin() -> None:
    found = np.random.default_rng(3).normal(-0.1, 0.2, 60)
    theirs = stats.ttest_1samp(found, -0.03, alternative="less").pvalue
    assert worse_p(found, 0.03) == pytest.approx(theirs)


@pytest.mark.parametrize(("value", "p"), [(-0.5, 0.0), (0.0, 1.0), (-0.01, 1.0)])
def test_differences_that_are_all_alike_need_no_test(value: float, p: float) -> None:
    assert worse_p(np.full(10, value), 0.02) == p


@pytest.mark.parametrize("n", [3, 7, 10, 1000])
@pytest.mark.parametrize("margin", [0.01, 0.03, 0.1, 0.3])
def test_a_loss_of_exactly_the_margin_is_none_beyond_it(n: int, margin: float) -> None:
    """0.7 - 0.6 and its like differ in the last bit from one query to the next."""
    for base in (0.0, 0.1, 0.6, 0.7):
        alike = np.full(n, base - margin) - base
        assert worse_p(alike, margin) == 1.0
        rough = alike + np.resize([1e-16, -1e-16, 3e-17], n)
        assert worse_p(rough, margin) == 1.0
        assert worse_p(rough - 0.001, margin) == 0.0, "a loss that is larger still is one"


def test_a_spread_that_is_small_and_true_does_not_make_rounding_significant() -> None:
    near = np.resize([-0.02 - 3e-11, -0.02 - 1e-11], 100)
    assert worse_p(near, 0.02) == pytest.approx(0.5)


@pytest.mark.parametrize("comparisons", [1, 2, 3, 7, 30, 49, 50, 51, 333])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.3])
def test_with_the_least_resamples_and_no_fewer_a_p_can_be_small(comparisons: int, alpha: float) -> None:
    least = least_resamples(comparisons, alpha)

    def corrected(resamples: int) -> float:
        return float(holm(np.full(comparisons, 1 / (resamples + 1))).min())

    assert corrected(least) < alpha <= corrected(least - 1) + 1e-12
