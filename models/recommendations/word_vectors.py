"""Content vectors: the mean of a text's word vectors, weighed by IDF.

A word's vector joins two unit vectors: fastText's, by which words of one meaning or stem are near, and a random one of its own
hash, by which the word is itself. fastText's mean alone finds kinds of things; which series an item belongs to hangs on
single words, and is what people buy together.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.text.normalise import normalise_text

Vectors = NDArray[np.float32]


def words_of(text: str) -> list[str]:
    """The words of a text, normalised."""
    return normalise_text(text).split()


def inverse_frequencies(texts: Sequence[Sequence[str]]) -> dict[str, float]:
    """1 + log(texts / texts with the word) of each word."""
    counts = Counter(word for words in texts for word in set(words))
    return {word: float(1 + np.log(len(texts) / count)) for word, count in counts.items()}


def hashed_vector(word: str, dim: int) -> Vectors:
    """A unit vector [dim] of +-1/sqrt(dim) that follows from the word alone, on every machine."""
    digest = hashlib.shake_128(word.encode()).digest(-(-dim // 8))
    bits = np.unpackbits(np.frombuffer(digest, np.uint8), count=dim)
    signs: Vectors = ((bits * 2.0 - 1) / np.sqrt(dim)).astype(np.float32)
    return signs


def text_vectors(
    texts: Sequence[Sequence[str]], learnt: Callable[[str], Vectors], weight: dict[str, float], hashed_dim: int
) -> Vectors:
    """Unit vectors [n, D] of texts, given as words. learnt: fastText's vector of a word; zeros of a word that it
    never saw.

    A word that was not weighed is as rare as can be. A text without a word gets the vector of the empty word.
    """
    vocabulary = sorted({word for words in texts for word in words} | {""})
    table = np.stack([_joined(learnt(word), hashed_vector(word, hashed_dim)) for word in vocabulary])
    rarest = max(weight.values(), default=1.0)
    weights = np.array([weight.get(word, rarest) for word in vocabulary], np.float32)
    place = {word: row for row, word in enumerate(vocabulary)}
    rows = np.array([place[word] for words in texts for word in (words or [""])], np.int64)
    lengths = np.array([max(1, len(words)) for words in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    sums = np.add.reduceat(table[rows] * weights[rows, None], starts, axis=0) if len(texts) else table[:0]
    return unit(sums)


def _joined(*parts: Vectors) -> Vectors:
    # a word that training never saw has no learnt part, and is itself alone
    return np.concatenate([part / max(float(np.linalg.norm(part)), 1e-9) for part in parts])


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Vectors of unit norm; one of no length becomes the first axis, because an index wants a direction."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    made = np.where(norms > 1e-9, vectors / np.maximum(norms, 1e-9), np.eye(1, vectors.shape[1]))
    return made.astype(np.float32)


def content_words(title: str, category: str) -> list[str]:
    """Words that an item's content vector is made of: title and category path."""
    return words_of(f"{title} {category.replace(' > ', ' ')}")
