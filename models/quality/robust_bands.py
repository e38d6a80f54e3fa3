"""Expected ranges from a few days of history: ratios to a median, robust bands, and the shift of a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# the median absolute deviation of a normal distribution is this share of its standard deviation
MAD_TO_SIGMA = 1.4826


def ratio_band(history: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """(low, high) as multiples of the history's median."""
    middle = float(np.median(history))
    return least * middle, most * middle if np.isfinite(most) else most


def robust_band(history: Sequence[float], mads: float, floor: float, floor_frac: float) -> tuple[float, float]:
    """(low, high): the median and `mads` robust standard deviations on either side, never narrower than the floors.

    floor is absolute, floor_frac a share of the median: a week that was calm by chance must not alarm the next one.
    """
    middle = float(np.median(history))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(np.asarray(history) - middle)))
    half = max(mads * spread, floor, floor_frac * abs(middle))
    return middle - half, middle + half


def expected_band(history: Sequence[float], limits: Mapping[str, float]) -> tuple[float, float]:
    """(low, high) of a rule on history: robust where its limits have `mads`, multiples of the median otherwise.

    limits: mads, floor and floor_frac (see robust_band), above_only for a band without a low end; or min_ratio, by
    default 0, and max_ratio, by default infinite.
    """
    if "mads" in limits:
        low, high = robust_band(history, limits["mads"], limits.get("floor", 0.0), limits.get("floor_frac", 0.0))
        return (-np.inf if limits.get("above_only") else low), high
    return ratio_band(history, limits.get("min_ratio", 0.0), limits.get("max_ratio", float("inf")))


def stability_index(history: Sequence[Sequence[float]], counts: Sequence[float]) -> float:
    """Population stability index of counts by bin against the mean of earlier days' shares.

    Each day weighs the same. Half a row is added to every bin, so that an empty one costs what half a row would and not infinity.
    """
    days = np.asarray(history, np.float64) + 0.5
    before = (days / days.sum(axis=1, keepdims=True)).mean(axis=0)
    now = np.asarray(counts, np.float64) + 0.5
    now = now / now.sum()
    return float(((now - before) * np.log(now / before)).sum())
