"""Randomness by counter: a draw is a hash of (seed, stream, number), so any row can be drawn alone.

A generator that is advanced row by row would tie row N to the N rows before it; hashing the row's own
number makes day 9 of chunk 7 the same bytes whether or not the rest of the shop was ever made.
The mixer is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from models.simulator.arrays import Floats, Ints

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def bits(seed: int, stream: str, numbers: Ints) -> NDArray[np.uint64]:
    """Return 64 random bits for each of `numbers`, the same whenever seed, stream and number are."""
    start = np.array([(seed * 0x2545F4914F6CDD1D + zlib.crc32(stream.encode())) & (2**64 - 1)], np.uint64)
    with np.errstate(over="ignore"):
        mixed = _mix(np.asarray(numbers, dtype=np.int64).astype(np.uint64) * _GOLDEN + _mix(start))
    return _mix(mixed + _GOLDEN)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * _FIRST
        state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def uniform(seed: int, stream: str, numbers: Ints) -> Floats:
    """Return a float in [0, 1) for each of `numbers`."""
    return (bits(seed, stream, numbers) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(seed: int, stream: str, numbers: Ints, limit: int | Ints, skew: float = 1.0) -> Ints:
    """Return an integer in [0, limit) for each of `numbers`; skew > 1 favours the low ones."""
    drawn = uniform(seed, stream, numbers)
    return np.floor(drawn**skew * limit).astype(np.int64)


def zipf_cdf(size: int, exponent: float) -> Floats:
    """Return the cumulative shares [size] of ranks 1..size under p(rank) ~ 1 / rank ** exponent."""
    weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    shares: Floats = np.cumsum(weights) / weights.sum()
    return shares
