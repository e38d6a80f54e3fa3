"""Content vectors and skip-gram: a word is itself, words of one stem are near, metadata lies with its items."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from models.recommendations.item2vec import SkipGram, cold_vectors, interleaved, train_items, train_words
from models.recommendations.word_vectors import hashed_vector, inverse_frequencies, text_vectors, unit, words_of


def test_a_text_vector_is_the_weighted_mean_of_both_parts() -> None:
    learnt = {"red": np.array([2.0, 0], np.float32), "lamp": np.array([0, 3.0], np.float32)}
    weight = {"red": 1.0, "lamp": 2.0}
    made = text_vectors([["red", "lamp"]], lambda word: learnt.get(word, np.zeros(2, np.float32)), weight, 8)
    parts = [np.concatenate([learnt[word] / np.linalg.norm(learnt[word]), hashed_vector(word, 8)]) for word in learnt]
    by_hand = 1.0 * parts[0] + 2.0 * parts[1]
    assert made[0] == pytest.approx(by_hand / np.linalg.norm(by_hand), abs=1e-6)


def test_texts_of_any_kind_have_a_unit_vector() -> None:
    texts = [words_of(text) for text in ("Czerwona LAMPA", "", "unseen word", "\x00\u200b")]
    made = text_vectors(texts, lambda _: np.zeros(4, np.float32), {"lampa": 2.0}, 16)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1)
    assert text_vectors([], lambda _: np.zeros(4, np.float32), {}, 16).shape == (0, 20)
    assert unit(np.zeros((1, 3))).tolist() == [[1, 0, 0]]


def test_a_hashed_word_is_the_same_everywhere_and_unlike_others() -> None:
    made = np.stack([hashed_vector(f"word{number}", 192) for number in range(200)])
    assert np.abs(made @ made.T - np.eye(200)).max() < 0.4
    assert hashed_vector("lamp", 8).tolist() == hashed_vector("lamp", 8).tolist()
    bits = format(hashlib.shake_128(b"lamp").digest(1)[0], "08b")
    assert (hashed_vector("lamp", 8) * 8**0.5).round().tolist() == [1 if bit == "1" else -1 for bit in bits]


def test_rare_words_weigh_more() -> None:
    weight = inverse_frequencies([["red", "lamp"], ["red", "red", "tent"], ["red"]])
    assert weight["red"] == 1 and weight["lamp"] == pytest.approx(1 + np.log(3))


def test_fasttext_knows_a_word_by_its_letters() -> None:
    rng = np.random.default_rng(0)
    kinds = (["lamp", "light", "bulb"], ["tent", "camping", "sleeping"])
    texts = [list(rng.permutation(kinds[row % 2])) for row in range(200)]
    words = train_words(texts, SkipGram(vector_size=16, epochs=10, sample=0))
    near = unit(np.stack([words[word] for word in ("lamp", "lamps", "tent")]))
    assert near[0] @ near[1] > near[1] @ near[2]


def sessions(rng: np.random.Generator) -> list[list[str]]:
    """Sessions stay in one of two brands of twenty items."""
    return [[str(20 * brand + item) for item in rng.integers(0, 20, 6)] for brand in rng.integers(0, 2, 800)]


def test_a_brand_lies_nearest_to_its_items_and_gives_new_ones_a_place() -> None:
    metadata = {str(item): [f"brand={'ab'[item // 20]}"] for item in range(40)}
    words = [interleaved(some, metadata) for some in sessions(np.random.default_rng(0))]
    settings = SkipGram(vector_size=16, window=8, epochs=8, sample=0)
    learnt = train_items(words, settings)
    known = dict(zip(learnt.words, learnt.vectors, strict=True))
    for brand in (0, 1):
        items = np.array([int(word) for word in learnt.words if word.isdigit()])
        vectors = np.stack([known[str(item)] for item in items])
        nearest = items[np.argsort(-vectors @ known[f"brand={'ab'[brand]}"])[:20]]
        assert (nearest // 20 == brand).mean() >= 0.8
    assert train_items(words, settings).vectors.tolist() == learnt.vectors.tolist()
    cold = cold_vectors([["brand=a"], ["brand=z"]], known, known["25"])
    assert cold[0] == pytest.approx(known["brand=a"], abs=1e-5) and cold[1] == pytest.approx(known["25"], abs=1e-5)
