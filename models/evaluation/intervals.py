"""Intervals by the percentile bootstrap: of means over queries, of ratios and slopes.

Values are [Q], one per query, or [S, Q] where the same queries were asked of S trainings that differ
in their seed alone. Queries are drawn with replacement, and so are seeds where there are several:
both chances are in the interval (Owen, "The pigeonhole bootstrap", 2007). Of three seeds this sees
about two thirds of their variance; `over_seeds` is the cautious figure for so few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
RESAMPLES, LEVEL = 2_000, 0.95
_DRAWS_AT_ONCE = 1 << 22
_MANY = 1_000
# counts by a throw of 16 bits: the quantiles of Poisson's distribution with mean 1
_POISSON = stats.poisson(1).ppf((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.uint8)


class Interval(NamedTuple):
    """A figure and the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_intervals(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> list[Interval]:
    """Interval of the mean of each of M measures. values [Q, M] or [S, Q, M]; all share their draws.

    Raises:
        ValueError: there is no query.
    """
    drawn = resampled(values, seed, resamples)
    means = values.reshape(-1, values.shape[-1]).mean(axis=0)
    return [span(mean, column) for mean, column in zip(means, drawn.T, strict=True)]


def mean_interval(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Interval of a mean. values [Q] or [S, Q]."""
    return mean_intervals(values[..., None], seed, resamples)[0]


def grouped_intervals(
    values: Array,
    names: Sequence[str],
    groups: Mapping[str, NDArray[np.bool_]],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, dict[str, Any]]:
    """Group -> `queries`, and measure -> interval of its mean. values [Q, M] of the measures named; group `all` comes first.

    A group without a query is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, rows in {"all": np.ones(len(values), np.bool_), **groups}.items():
        if queries := int(rows.sum()):
            spans = mean_intervals(values[rows], seed, resamples)
            found[name] = {"queries": queries, **dict(zip(names, spans, strict=True))}
    return found


def slope_interval(
    x: ArrayLike, values: Array, groups: Sequence[object] = (), seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Least-squares slope of the mean over x: how much a measure rises per unit of x.

    x [P], values [P, Q] or [P, S, Q]. Points of one group (settings alike but for x) share a level
    of their own. A slope is a sum of means with weights, so its interval is that of one mean.

    Raises:
        ValueError: x does not vary within any group.
    """
    xs = np.asarray(x, np.float64)
    names = list(dict.fromkeys(groups)) or [None]
    group = np.array([names.index(name) for name in groups or [None] * len(xs)])
    centred = xs - (np.bincount(group, xs) / np.bincount(group).clip(1))[group]
    if not centred.any():
        raise ValueError("a slope wants two values of x at least within a group")
    # the sum over P of weight x mean is the mean over queries of the weighted sum
    weighted = np.tensordot(centred / (centred**2).sum(), values, axes=1)
    return mean_interval(weighted, seed, resamples)


def over_seeds(values: ArrayLike) -> Interval:
    """Mean of S figures, one per seed, with Student's interval; of one figure the interval is endless."""
    figures = np.asarray(values, np.float64)
    mean = float(figures.mean())
    if len(figures) < 2:
        return Interval(mean, -np.inf, np.inf)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(figures) - 1) * stats.sem(figures))
    return Interval(mean, mean - half, mean + half)


def span(value: float, drawn: Array) -> Interval:
    """A figure with the ends that its resampled values [R] give it; NaN among them is passed over."""
    low, high = np.nanquantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(value), float(low), float(high))


def ratio_span(after: float, before: float, drawn_after: Array, drawn_before: Array) -> Interval:
    """A ratio of two means with its interval, from means resampled together [R] each."""
    return span(after / before, drawn_after / np.where(drawn_before, drawn_before, np.nan))


def resampled(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Means [resamples, M] over queries (and seeds) drawn anew. values [Q, M] or [S, Q, M].

    Raises:
        ValueError: there is no query.
    """
    values = values if values.ndim == 3 else values[None]
    n_seeds, n_queries, n_measures = values.shape
    if not n_queries:
        raise ValueError("no query: there is nothing to take a mean of")
    rng = np.random.default_rng(seed)
    flat = np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(n_queries, -1)
    at_once = max(1, min(resamples, _DRAWS_AT_ONCE // n_queries))
    parts = []
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        means = _drawn_means(rng, flat, count)
        share = _counts(rng, n_seeds, count) / n_seeds if n_seeds > 1 else np.ones((count, 1))
        parts.append((means.reshape(count, n_seeds, n_measures) * share[..., None]).sum(axis=1))
    return np.concatenate(parts)


def _drawn_means(rng: np.random.Generator, flat: Array, resamples: int) -> Array:
    """Means [resamples, columns] over queries drawn with replacement. flat [Q, columns].

    Many queries are not drawn: each gets a count of its own, from Poisson's distribution with mean 1, and
    means are divided by the sum of the counts (Chamandy et al. 2012, "Estimating uncertainty for massive data
    streams"). From a thousand queries on nobody can tell the difference, in a sixth of the time.
    """
    n = len(flat)
    if n < _MANY:
        drawn: Array = _counts(rng, n, resamples) @ flat / n
        return drawn
    dice = np.frombuffer(rng.bytes(2 * n * resamples), np.uint16)
    counts = _POISSON[dice].reshape(resamples, n).astype(np.float32)
    sums = (counts @ flat.astype(np.float32)).astype(np.float64)
    means: Array = sums / counts.sum(axis=1, dtype=np.float64)[:, None]
    return means


def _counts(rng: np.random.Generator, n: int, resamples: int) -> Array:
    """Counts of each of n queries in each resample: [resamples, n]."""
    drawn = rng.integers(0, n, (resamples, n)) + np.arange(resamples)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(-1, n).astype(np.float64)
