"""Near-duplicate titles: pairs whose sets of words and trigrams overlap above a threshold.

MinHash finds candidates without comparing everything with everything (Broder 1997; bands as in
Leskovec et al., Mining of Massive Datasets, 3.4); the overlap of each candidate pair is then exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.text.ragged import Ragged
from models.text.trigrams import trigram_ids

Rows = NDArray[np.int64]
_BUCKETS = 1 << 20
_BANDS, _ROWS = 10, 3  # finds a pair of overlap .8 with probability .999, of .6 with .91
_BESIDE = 8  # neighbours that a title is compared with among many equal bands
_PAIRS_AT_ONCE = 1 << 16


def near_duplicates(titles: Sequence[str], threshold: float) -> Ragged:
    """Rows of the titles [N] whose Jaccard overlap with each title is at least the threshold.

    titles must differ: equal titles are found by equality. Words and trigrams count as sets.

    Raises:
        ValueError: threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"near_duplicate={threshold}: expected above 0, at most 1")
    sets = _sets(titles)
    close = [pair[overlap(sets, pair) >= threshold] for pair in _candidates(sets)]
    pairs = np.unique(np.concatenate([np.zeros((0, 2), np.int64), *close]), axis=0)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    offsets = np.searchsorted(both[:, 0], np.arange(len(titles) + 1))
    return Ragged(both[:, 1], offsets)


def overlap(sets: Ragged, pairs: Rows) -> NDArray[np.float64]:
    """Jaccard overlap of the sets of each pair [P, 2]; two empty sets have none."""
    left, right = sets.take(pairs[:, 0]), sets.take(pairs[:, 1])
    number = np.arange(len(pairs))
    codes = [np.repeat(number, side.lengths) * _BUCKETS + side.values for side in (left, right)]
    # each side has a code once: a code that comes twice is in both
    codes_of_both = np.sort(np.concatenate(codes))
    twice = codes_of_both[1:][codes_of_both[1:] == codes_of_both[:-1]]
    both = np.bincount(twice // _BUCKETS, minlength=len(pairs))
    shares: NDArray[np.float64] = both / np.maximum(1, left.lengths + right.lengths - both)
    return shares


def _sets(titles: Sequence[str]) -> Ragged:
    ids, offsets = trigram_ids(titles, _BUCKETS)
    codes = np.repeat(np.arange(len(titles)), np.diff(offsets)) * _BUCKETS + ids
    codes = np.unique(codes)
    return Ragged(codes % _BUCKETS, np.searchsorted(codes // _BUCKETS, np.arange(len(titles) + 1)))


def _candidates(sets: Ragged) -> Iterator[Rows]:
    """Pairs [P, 2], lower row first, that agree in some band; a pair may come more than once."""
    rows = np.flatnonzero(sets.lengths > 0)  # reduceat would make up a value for empty sets
    starts = sets.offsets[rows]
    if not len(rows):
        return
    rng = np.random.default_rng(0)
    values = sets.values.astype(np.uint64)
    for _ in range(_BANDS):
        band = np.zeros(len(rows), np.uint64)
        for _ in range(_ROWS):
            odd, shift = rng.integers(0, 1 << 63, 2, dtype=np.uint64)
            mixed = (values + shift) * (odd | np.uint64(1))
            least = np.minimum.reduceat(mixed ^ (mixed >> np.uint64(31)), starts)
            band = band * np.uint64(0x9E3779B97F4A7C15) + least
        order = np.argsort(band, kind="stable")
        for beside in range(1, _BESIDE + 1):
            same = np.flatnonzero(band[order[beside:]] == band[order[:-beside]])
            pairs = np.sort(np.stack([rows[order[same]], rows[order[same + beside]]], axis=1))
            for start in range(0, len(pairs), _PAIRS_AT_ONCE):
                yield pairs[start : start + _PAIRS_AT_ONCE]
