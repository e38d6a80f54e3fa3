"""Examination propensity of each position, estimated from a log alone, without randomised rankings.

The position-based model says that a query's item is clicked at position k with probability theta_k * gamma, where gamma
depends on the item only. A shop ranks the same item for the same query at different positions (noise, stock, prices,
A/B tests). These are interventions that the log already contains (Agarwal, Zaitsev, Wang, Li, Najork and Joachims,
"Estimating Position Bias without Intrusive Interventions", WSDM 2019). Their AllPairs estimator compares two positions
at a time; here all positions at which a pair was shown are compared at once, by the equations

    theta_k = sum over pairs of c_k  /  sum over pairs of  c * n_k / sum over j of n_j theta_j

with n_k impressions and c_k clicks of a pair at position k, and c = sum of its c_k. The solution maximises the
likelihood conditioned on each pair's clicks, which does not contain gamma, and holds in expectation for any gamma.
Unlike regression EM (Wang, Golbandi, Bendersky, Metzler and Najork, WSDM 2018) it assumes nothing about relevance, and
rarely shown pairs cause no bias. It assumes that the position of an item does not depend on what the searcher wants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
STEPS = 500
TOLERANCE = 1e-7
# clicks that a position needs for an estimate of its own; below, the curve of the others is extrapolated
LEAST_CLICKS = 50


@dataclass(frozen=True)
class Propensities:
    """Propensity [P] of the positions 1..P (1 at the first), its standard error, impressions and clicks of the sample.

    error is NaN where the curve was extrapolated; eta: slope of that curve, propensity ~ position ** -eta.
    """

    propensity: Floats
    error: Floats
    impressions: Ints
    clicks: Ints
    eta: float
    steps: int


def estimate(pairs: Ints, positions: Ints, impressions: Ints, clicks: Ints, last: int) -> Propensities:
    """Estimate from rows (pair, position, impressions, clicks); pairs are numbered from 0, positions from 1 to last.

    Raises:
        ValueError: too few clicks at the first position, or no second position with enough clicks.
    """
    shown = np.bincount(positions - 1, impressions, last).astype(np.int64)
    clicked = np.bincount(positions - 1, clicks, last).astype(np.int64)
    known = clicked >= LEAST_CLICKS
    if not known[0] or known.sum() < 2:
        raise ValueError(
            f"found {clicked[0]:,} clicks at position 1 and {int(known.sum())} positions with {LEAST_CLICKS} or more,"
            f" of pairs that were shown at several positions; expected {LEAST_CLICKS} at the first and at one more:"
            " widen the window, or give eta instead of an estimate"
        )
    theta, steps = _solve(pairs, positions - 1, impressions, clicks, last, known)
    error = _errors(pairs, positions - 1, impressions, clicks, theta, known)
    eta = _slope(theta, clicked, known)
    curve = np.arange(1, last + 1, dtype=np.float64) ** -eta
    # extrapolate from the last position with an estimate of its own
    anchor = np.maximum.accumulate(np.where(known, np.arange(last), 0))
    drawn = theta[anchor] * curve / curve[anchor]
    return Propensities(np.where(known, theta, drawn), np.where(known, error, np.nan), shown, clicked, eta, steps)


def _solve(
    pairs: Ints, at: Ints, impressions: Ints, clicks: Ints, last: int, known: NDArray[np.bool_]
) -> tuple[Floats, int]:
    """Fixed point of the equations above over the known positions, scaled to 1 at the first; and the steps taken."""
    use = known[at]
    pairs, at, n, c = pairs[use], at[use], impressions[use].astype(np.float64), clicks[use]
    total = np.bincount(pairs, c)
    own = np.bincount(at, c, last)
    theta = np.where(known, 1.0, np.nan)
    steps, moved = 0, np.inf
    while moved > TOLERANCE and steps < STEPS:
        weight = total / np.maximum(np.bincount(pairs, n * theta[at], len(total)), 1e-300)
        expected = np.bincount(at, n * weight[pairs], last)
        new = np.where(known, own / np.maximum(expected, 1e-300), np.nan)
        new /= new[0]
        moved = float(np.nanmax(np.abs(np.log(new) - np.log(theta))))
        theta, steps = new, steps + 1
    return theta, steps


def _errors(pairs: Ints, at: Ints, impressions: Ints, clicks: Ints, theta: Floats, known: NDArray[np.bool_]) -> Floats:
    """Standard errors by the sandwich estimator, with pairs as independent units.

    In log theta with the first fixed: bread is the information of the conditional likelihood, meat the sum of the outer
    products of each pair's score. Both are P x P, whatever the number of pairs.
    """
    use = known[at]
    place = np.cumsum(known) - 1
    pairs, col = pairs[use], place[at[use]]
    weight = impressions[use] * theta[at[use]]
    per_pair = np.bincount(pairs, weight)
    share = weight / per_pair[pairs]
    total = np.bincount(pairs, clicks[use])
    score = clicks[use] - total[pairs] * share
    size, shape = int(known.sum()), (len(per_pair), int(known.sum()))
    bread: Floats = np.diag(np.bincount(col, total[pairs] * share, size)).astype(np.float64)
    meat = np.zeros((size, size))
    for start in range(0, shape[0], 100_000):  # blocks of pairs bound the memory
        mine = (pairs >= start) & (pairs < start + 100_000)
        block = np.zeros((min(100_000, shape[0] - start), size))
        np.add.at(block, (pairs[mine] - start, col[mine]), score[mine])
        meat += block.T @ block
        block[:] = 0
        np.add.at(block, (pairs[mine] - start, col[mine]), share[mine])
        bread = bread - (block * total[start : start + 100_000, None]).T @ block
    inverse = np.linalg.pinv(bread[1:, 1:])
    deviation = np.sqrt(np.maximum(np.diag(inverse @ meat[1:, 1:] @ inverse), 0))
    error = np.full(len(theta), np.nan)
    error[known] = theta[known] * np.concatenate([[0.0], deviation])
    return error


def _slope(theta: Floats, clicked: Ints, known: NDArray[np.bool_]) -> float:
    """eta of theta ~ position ** -eta by least squares through position 1, weighted by clicks."""
    depth = np.log(np.arange(1, len(theta) + 1))[known]
    return float(max(0.0, -np.sum(clicked[known] * depth * np.log(theta[known])) / np.sum(clicked[known] * depth**2)))
