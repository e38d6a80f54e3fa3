"""Made-up queries: a few words of an item's text, as people would type to find it.

They teach the towers every word of the catalogue, where real pairs cover a small part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.text.trigrams import fold

MOST_WORDS, OUT_OF = (4, 12)  # people type one to four words; titles say what matters in the first dozen


def crops(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """For each text one to four of its first dozen words, in their order; empty for an empty text."""
    if not texts:
        return []
    codes = np.frombuffer(fold(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    space = (codes <= 32) | (codes == 160)
    before = np.concatenate([[True], space[:-1]])
    starts = np.flatnonzero(~space & before)
    text_ends = np.flatnonzero(codes == 0)
    text = np.searchsorted(text_ends, starts)
    first = np.searchsorted(text, np.arange(len(texts)))
    place = np.arange(len(starts)) - first[text]

    # of each text's first words, those with the smallest of random keys
    wanted = rng.integers(1, MOST_WORDS + 1, len(texts))
    key = rng.random(len(starts)) + np.where(place < OUT_OF, 0, 1)
    order = np.lexsort((key, text))
    rank = np.empty(len(starts), np.int64)
    rank[order] = np.arange(len(starts)) - first[text[order]]
    kept_word = rank < np.minimum(wanted[text], OUT_OF)

    # white space goes with the word before it
    word_of = np.cumsum(~space & before) - 1
    kept = np.append(kept_word, False)[word_of] | (codes == 0)
    found = codes[kept].tobytes().decode("utf-32-le", "surrogatepass").split("\x00")[:-1]
    return [" ".join(words.split()) for words in found]
