"""Is a difference more than chance? Permutation tests over queries, and correction for many comparisons.

A test of pairs: each query's two values are exchanged by the throw of a coin, which leaves the distribution
as it is where the arms are alike (Fisher 1935; for retrieval: Smucker, Allan and Carterette, CIKM 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
RESAMPLES = 10_000
_SIGNS_AT_ONCE = 1 << 24
_NO_SPREAD, _EXACT = 1e-12, 1e-9  # below them a difference is rounding


def permutation_p(differences: Floats, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """Two-sided p [M] that the means of paired differences [Q, M] are 0.

    The least that it can say is 1 / (resamples + 1): what was seen counts as one of the draws.

    Raises:
        ValueError: there is no query.
    """
    n_queries, _ = differences.shape
    if not n_queries:
        raise ValueError("no query: there is nothing to compare")
    # a query on which the arms agree stays where it is, whatever the coin says
    moved = differences[(differences != 0).any(axis=1)].astype(np.float32)
    if not len(moved):
        return np.ones(differences.shape[1])
    rng = np.random.default_rng(seed)
    # a sum that differs by rounding alone is no larger than what was seen
    seen = np.abs(moved.sum(axis=0)) * (1 - 1e-5) - 1e-6
    beyond = np.zeros(differences.shape[1])
    done, at_once = 0, max(1, _SIGNS_AT_ONCE // len(moved))
    while done < resamples:
        count = min(at_once, resamples - done)
        bits = np.frombuffer(rng.bytes(count * -(-len(moved) // 8)), np.uint8).reshape(count, -1)
        heads = np.unpackbits(bits, axis=1, count=len(moved)).astype(np.float32)
        # a sum with signs is twice the sum of the heads, less the whole
        drawn = 2 * (heads @ moved) - moved.sum(axis=0)
        beyond += (np.abs(drawn) >= seen).sum(axis=0)
        done += count
    return (beyond + 1) / (resamples + 1)


def worse_p(differences: Floats, margin: float = 0.0) -> float:
    """One-sided p that the mean of differences [n] is -margin or more: small where the loss is beyond it.

    Student's test, which holds for means of many queries whatever a query's values look like. A loss of
    exactly the margin is none beyond it, whatever the last bits of a mean say.
    """
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    above = float(differences.mean()) + margin
    if abs(above) < _EXACT:
        above = 0.0
    if spread < _NO_SPREAD:
        return 0.0 if above < 0 and len(differences) > 1 else 1.0
    return float(stats.t.cdf(above / (spread / np.sqrt(len(differences))), len(differences) - 1))


def shows_from(differences: Floats, p: float = 0.05) -> float:
    """The loss from which a one-sided test at p finds one, given how much these differences [n] spread; alone, that is
    before any correction."""
    if len(differences) < 2:
        return float("inf")
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    return float(stats.t.isf(p, len(differences) - 1) * error)


def holm(p: Floats) -> Floats:
    """P values [n] made larger so that the chance of any false alarm among them is bounded (Holm 1979)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty(len(p))
    corrected[order] = steps.clip(max=1.0)
    return corrected


def least_resamples(comparisons: int, alpha: float) -> int:
    """Resamples from which a p of permutation_p can be below alpha after Holm's correction for so many comparisons."""
    # the least p is 1 / (resamples + 1), and the first of Holm's steps takes it times all
    return int(comparisons / alpha)
