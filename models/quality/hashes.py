"""64-bit hashes of columns in bulk: a sieve for duplicate keys, orphans and groups, whatever the size of the table.

Equal values always have equal hashes, so no duplicate is missed. Different values share one with a chance of
2^-64 a pair: 3 in a million for a partition of ten million rows. Another seed tells chance from truth.
"""

from __future__ import annotations

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)
NULL = np.uint64(0x5851F42D4C957F2D)


def start(rows: int, seed: int = 0) -> np.ndarray:
    """The hashes [N] before any column was mixed in."""
    return np.full(rows, (seed * int(_MIX) + int(_ODD)) % 2**64, np.uint64)


def mix(hashes: np.ndarray, words: np.ndarray) -> np.ndarray:
    """hashes [N] with one 64-bit word [N] more in each."""
    mixed: np.ndarray = hashes ^ words
    mixed *= _MIX
    mixed ^= mixed >> _SHIFT
    mixed *= _ODD
    mixed ^= mixed >> _SHIFT
    return mixed


def text_words(offsets: np.ndarray, data: np.ndarray, seed: int = 0) -> np.ndarray:
    """One word [N] for each text: its bytes are data[offsets[i]:offsets[i + 1]].

    Texts of one length are hashed together, eight bytes at a time: ids have few lengths.
    """
    lengths = np.diff(offsets)
    hashes = mix(start(len(lengths), seed), lengths.astype(np.uint64))
    if not len(lengths):
        return hashes
    shortest, longest = int(lengths.min()), int(lengths.max())
    sizes = range(shortest, longest + 1) if longest - shortest < 64 else np.unique(lengths)
    for size in (int(size) for size in sizes if size):
        rows = slice(None) if shortest == longest else np.flatnonzero(lengths == size)
        if shortest == longest:
            texts = data[offsets[0] : offsets[-1]].reshape(-1, size)
        else:
            texts = data[offsets[:-1][rows][:, None] + np.arange(size)]
        padded = np.zeros((len(texts), -(-size // 8) * 8), np.uint8)
        padded[:, :size] = texts
        some = hashes[rows]
        for word in padded.view(np.uint64).T:
            some = mix(some, word)
        hashes[rows] = some
    return hashes
