"""Text -> hashed features: its words and their character trigrams, in one pass of numpy.

Trigrams carry typos, model numbers and Polish inflection; whole words carry exact matches. A word is
a run of letters, digits and combining marks; `Łat` gives the word `łat` and `.la lat at.`: trigrams
are taken without diacritics, since half of the people who search in Polish leave them out.
"""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRIGRAMS = "1"  # enters the space id: change it with the features or the hash below

_CHUNK = 512  # texts per pass: the arrays of a pass stay in the cache of one core
_TEXT_END, _EDGE = "\x00", np.uint64(1)
_BASE, _INVERSE_BASE = 0x100000001B3, pow(0x100000001B3, -1, 1 << 64)
_WORD_SEED, _TRIGRAM_SEED = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_STROKES = {"ł": "l", "đ": "d", "ø": "o", "ħ": "h", "ŧ": "t"}  # NFD does not decompose these


def trigram_ids(texts: Sequence[str], buckets: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Feature ids of the texts: ids [T] in [0, buckets), and offsets [len(texts) + 1] into them.

    One id per letter (the trigram centred on it) and one per word. A text without words has none.

    Raises:
        ValueError: buckets is not a power of two.
    """
    if buckets < 1 or buckets & (buckets - 1):
        raise ValueError(f"buckets={buckets}: must be a power of two, e.g. 131072")
    ids, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), _CHUNK):
        chunk = _chunk_ids(fold(texts[start : start + _CHUNK]), buckets)
        ids.append(chunk[0])
        counts.append(chunk[1])
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate(counts), out=offsets[1:])
    return np.concatenate(ids), offsets


def fold(texts: Sequence[str]) -> str:
    """All texts as one NFKC, lower-case string with a NUL after each."""
    joined = _TEXT_END.join(texts) + _TEXT_END
    if joined.count(_TEXT_END) != len(texts):
        texts = [text.replace(_TEXT_END, " ") for text in texts]
        joined = _TEXT_END.join(texts) + _TEXT_END
    if joined.isascii():
        return joined.lower()
    # few texts have a letter beyond ASCII, and the others are lower-cased ten times as fast
    parts = [text.lower() if text.isascii() else _fold(text) for text in texts]
    return _TEXT_END.join(parts) + _TEXT_END


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def _chunk_ids(folded: str, buckets: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids of the texts of one folded string, and how many each text has."""
    is_word, plain, power, inverse_power = _tables()
    codes = np.frombuffer((_TEXT_END + folded).encode("utf-32-le", "surrogatepass"), np.uint32)
    inside = is_word.take(codes)
    starts = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
    ends = np.flatnonzero(inside[:-1] & ~inside[1:])

    # a word's hash: the difference of two prefix sums of letter x BASE^place, moved back to place 0
    if len(codes) > len(power):
        power, inverse_power = _powers(len(codes))
    prefix = np.cumsum(codes * power[: len(codes)], dtype=np.uint64)
    words = (prefix[ends] - prefix[starts - 1]) * inverse_power[starts]

    letters = np.where(inside, plain.take(codes), _EDGE)  # 21 bits each, so three fit in 63
    trigrams = letters[:-2] << np.uint64(42) | letters[1:-1] << np.uint64(21) | letters[2:]

    # a word's id comes before those of the trigrams centred on its letters
    before = np.cumsum(inside)  # letters up to each place
    first = before[starts] - 1 + np.arange(len(starts))
    features = np.empty(before[-1] + len(starts), np.int32)
    is_trigram = np.ones(len(features), np.bool_)
    is_trigram[first] = False
    features[is_trigram] = _bucket(trigrams[inside[1:-1]] ^ _TRIGRAM_SEED, buckets)
    features[first] = _bucket(words ^ _WORD_SEED, buckets)
    text_ends = np.flatnonzero(codes == 0)
    counts = np.diff(before[text_ends]) + np.diff(np.searchsorted(starts, text_ends))
    return features, counts


def _bucket(keys: NDArray[np.uint64], buckets: int) -> NDArray[np.int32]:
    """Spread 64-bit keys evenly over the buckets."""
    keys = keys * _MIX
    keys ^= keys >> np.uint64(32)
    keys *= _MIX
    return (keys >> np.uint64(64 - (buckets.bit_length() - 1))).astype(np.int32)


@functools.cache
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """By code point: part of a word? and the letter without diacritics; then the powers of a pass."""
    codes = np.arange(0x110000, dtype=np.uint32)
    codes[0xD800:0xE000] = 0  # numpy takes no surrogates as text
    is_word = np.strings.isalnum(codes.view("U1"))
    is_word[0x300:0x370] = True
    plain = np.arange(0x110000, dtype=np.uint64)
    for code in range(0xC0, 0x250):  # the Latin letters of Europe
        plain[code] = ord(unicodedata.normalize("NFD", chr(code))[0])
    for letter, base in _STROKES.items():
        plain[ord(letter)] = ord(base)
    return is_word, plain, *_powers(1 << 17)


def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """BASE^i and BASE^-i modulo 2^64, i < count."""
    power, inverse = np.full((2, count), np.uint64(1))
    power[1:], inverse[1:] = np.uint64(_BASE), np.uint64(_INVERSE_BASE)
    return np.multiply.accumulate(power), np.multiply.accumulate(inverse)
