"""How likely each position is looked at, learnt from a log alone: nothing is shuffled on purpose.

The position-based model says that a query's item is clicked at position k with probability theta_k * gamma, where gamma is
the item's own. A shop ranks the same item for the same query now higher, now lower (noise, stock, prices, A/B tests):
these are the interventions, found in the log instead of made (Agarwal, Zaitsev, Wang, Li, Najork and Joachims, "Estimating
Position Bias without Intrusive Interventions", WSDM 2019). Their AllPairs estimator compares positions two by two; here all
positions at which a pair stood are compared at once, by the equations

    theta_k = sum over pairs of c_k  /  sum over pairs of  c * n_k / sum over j of n_j theta_j

with n_k showings and c_k clicks of a pair at position k, and c = sum of its c_k. They are the maximum of the likelihood in
which gamma has been conditioned out, and hold in expectation for any gamma: unlike regression EM (Wang, Golbandi, Bendersky,
Metzler and Najork, WSDM 2018) nothing is assumed about relevance, and a pair shown three times biases nothing. What is
assumed: where an item stands in one search rather than in another does not depend on what that searcher wants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
STEPS = 500
TOLERANCE = 1e-7
# clicks that a position needs before its own estimate stands; below, the curve of the others is drawn on
LEAST_CLICKS = 50


@dataclass(frozen=True)
class Propensities:
    """Of positions 1..P: propensity (1 at the first), its standard error, and what it was estimated from.

    error is not-a-number where the curve was drawn on; eta: the slope of that curve, propensity ~ position ** -eta.
    """

    propensity: Floats
    error: Floats
    impressions: Ints
    clicks: Ints
    eta: float
    steps: int


def estimate(pairs: Ints, positions: Ints, impressions: Ints, clicks: Ints, last: int) -> Propensities:
    """Propensities from rows (pair, position, impressions, clicks); pairs number from 0, positions from 1 to last.

    Raises:
        ValueError: too few clicks at the first position, or at any second one, to compare anything.
    """
    shown = np.bincount(positions - 1, impressions, last).astype(np.int64)
    clicked = np.bincount(positions - 1, clicks, last).astype(np.int64)
    known = clicked >= LEAST_CLICKS
    if not known[0] or known.sum() < 2:
        raise ValueError(
            f"found {clicked[0]:,} clicks at position 1 and {int(known.sum())} positions with {LEAST_CLICKS} or more, of"
            f" pairs that stood at several positions; expected {LEAST_CLICKS} at the first and at one more: widen the"
            " window, or give eta instead of an estimate"
        )
    theta, steps = _solve(pairs, positions - 1, impressions, clicks, last, known)
    error = _errors(pairs, positions - 1, impressions, clicks, theta, known)
    eta = _slope(theta, clicked, known)
    curve = np.arange(1, last + 1, dtype=np.float64) ** -eta
    # the curve goes on from the last position that stands on its own
    anchor = np.maximum.accumulate(np.where(known, np.arange(last), 0))
    drawn = theta[anchor] * curve / curve[anchor]
    return Propensities(np.where(known, theta, drawn), np.where(known, error, np.nan), shown, clicked, eta, steps)


def _solve(
    pairs: Ints, at: Ints, impressions: Ints, clicks: Ints, last: int, known: NDArray[np.bool_]
) -> tuple[Floats, int]:
    """The fixed point of the equations above, of the known positions; the first is 1."""
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
    """Standard errors by the sandwich of the estimating equations, pairs being independent of each other.

    In log theta with the first fixed: bread is the information of the conditional likelihood, meat the outer products of
    each pair's score. P x P, whatever the number of pairs.
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
    for start in range(0, shape[0], 100_000):  # blocks of pairs: memory is theirs
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
