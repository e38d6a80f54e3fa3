"""prod2vec and meta-prod2vec: skip-gram over the items of sessions, by gensim.

meta-prod2vec interleaves each item with its metadata and widens the window, so that `brand=X` and X's items share a space,
and an item that no session has gets the mean of its metadata's vectors.
Sources: Grbovic et al., E-commerce in Your Inbox (KDD 2015); Vasile et al., Meta-Prod2Vec (RecSys 2016); Caselles-Dupre et
al., Word2vec applied to Recommendation: Hyperparameters Matter (RecSys 2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gensim.models import FastText, Word2Vec
from numpy.typing import NDArray

from models.recommendations.word_vectors import unit

Vectors = NDArray[np.float32]
METADATA_MARK = "="  # in a word of metadata, such as brand=apple; words of items are row numbers


class SkipGram(NamedTuple):
    """Settings of skip-gram, by gensim's meaning: those that matter in recommendations, not the defaults of words."""

    vector_size: int = 64
    window: int = 3
    epochs: int = 20
    ns_exponent: float = 0.75
    sample: float = 1e-4
    negative: int = 5
    seed: int = 0


class Learnt(NamedTuple):
    """words in order of count, falling, and their vectors [W, D]."""

    words: list[str]
    vectors: Vectors


def train_items(sentences: Iterable[Sequence[str]], settings: SkipGram, min_count: int = 1) -> Learnt:
    """Vectors of the words of sentences. One thread, so that equal input makes equal vectors."""
    model: Any = Word2Vec(sentences, sg=1, min_count=min_count, workers=1, **settings._asdict())
    return Learnt(list(model.wv.index_to_key), unit(model.wv.vectors))


def train_words(sentences: Iterable[Sequence[str]], settings: SkipGram) -> Any:
    """fastText's word vectors (gensim's KeyedVectors): it makes one of any word, from its letters."""
    options = {"min_count": 1, "min_n": 3, "max_n": 5, "bucket": 50_000, "workers": 1, "sg": 1}
    return FastText(sentences, **options, **settings._asdict()).wv


def interleaved(items: Sequence[str], metadata: Mapping[str, Sequence[str]]) -> list[str]:
    """A session's items, each followed by its metadata."""
    return [word for item in items for word in (item, *metadata.get(item, ()))]


def cold_vectors(words: Sequence[Sequence[str]], known: Mapping[str, Vectors], fallback: Vectors) -> Vectors:
    """Vectors [n, D] of items without one of their own: the mean of their metadata's known ones, else the fallback."""
    rows = [[known[word] for word in some if word in known] or [fallback] for some in words]
    return (
        unit(np.stack([np.mean(some, axis=0) for some in rows])) if rows else np.zeros((0, len(fallback)), np.float32)
    )


def with_centroids(learnt: Learnt, metadata: Mapping[str, Sequence[str]]) -> Learnt:
    """Add a vector for each word of metadata: the mean of its items' vectors. It gives items without a session a place."""
    row = {word: number for number, word in enumerate(learnt.words)}
    pairs = [(row[item], word) for item, words in metadata.items() if item in row for word in words]
    if not pairs:
        return learnt
    rows, named = zip(*pairs, strict=True)
    names, place = np.unique(np.array(named), return_inverse=True)
    sums = np.zeros((len(names), learnt.vectors.shape[1]), np.float32)
    np.add.at(sums, place, learnt.vectors[list(rows)])
    return Learnt([*learnt.words, *names.tolist()], np.concatenate([learnt.vectors, unit(sums)]))
