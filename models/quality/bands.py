"""What is usual, from a few days of history: ratios to a median, robust bands, and how far a distribution has moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# the median absolute deviation of a normal distribution is this share of its standard deviation
MAD_TO_SIGMA = 1.4826


def ratio_band(history: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """(low, high) as multiples of the history's median."""
    middle = float(np.median(history))
    return least * middle, most * middle


def robust_band(history: Sequence[float], mads: float, floor: float, floor_frac: float) -> tuple[float, float]:
    """(low, high): the median and `mads` robust standard deviations on either side, never narrower than the floors.

    floor is absolute, floor_frac a share of the median: a week that was calm by chance must not alarm the next one.
    """
    middle = float(np.median(history))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(np.asarray(history) - middle)))
    half = max(mads * spread, floor, floor_frac * abs(middle))
    return middle - half, middle + half


def usual_band(
    history: Sequence[float],
    least: float | None = None,
    most: float | None = None,
    mads: float | None = None,
    floor: float = 0.0,
    floor_frac: float = 0.0,
) -> tuple[float, float]:
    """(low, high) as a rule on history has it: robust where it states `mads`, multiples of the median otherwise."""
    if mads is not None:
        return robust_band(history, mads, floor, floor_frac)
    return ratio_band(history, least or 0.0, float("inf") if most is None else most)


def stability_index(history: Sequence[Sequence[float]], found: Sequence[float]) -> float:
    """Population stability index of counts by bin against the mean of earlier days' shares; each day weighs the same.

    Half a row is added to every bin, so that an empty one costs what half a row would and not infinity.
    """
    days = np.asarray(history, np.float64) + 0.5
    before = (days / days.sum(axis=1, keepdims=True)).mean(axis=0)
    now = np.asarray(found, np.float64) + 0.5
    now = now / now.sum()
    return float(((now - before) * np.log(now / before)).sum())
