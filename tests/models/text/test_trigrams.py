"""Trigram features against a plain Python implementation that shares no code with ours."""

import itertools
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text.trigrams import trigram_ids

BUCKETS = 1 << 16
STROKES = str.maketrans("łđøħŧ", "ldoht")


def naive_words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return re.findall(r"(?:[^\W_]|[\u0300-\u036f])+", text)


def plain(letter: str) -> str:
    latin = "\u00c0" <= letter < "\u0250"
    letter = letter.translate(STROKES)
    return unicodedata.normalize("NFD", letter)[0] if latin else letter


def naive_features(text: str) -> list[tuple[str, str]]:
    features = []
    for word in naive_words(text):
        features.append(("word", word))
        letters = ["^", *map(plain, word), "^"]
        features += [("trigram", "".join(letters[i : i + 3])) for i in range(len(word))]
    return features


def ids_of(texts: list[str]) -> list[list[int]]:
    ids, offsets = trigram_ids(texts, BUCKETS)
    assert ids.dtype == np.int32
    assert offsets.dtype == np.int64
    return [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]


POLISH = [
    "Żółta łaska, 60×120cm",
    "tenisówki PIKACHU r.39",
    "a",
    "",
    "  --  ",
    "z\u0307o\u0301łw",
    "nul\x00inside",
    "ﬁltr do wody H₂O",
    "日本 x",
]


def test_features_are_those_of_the_plain_implementation() -> None:
    """Equal features get equal ids, different ones (here, without collisions) different ids."""
    known: dict[tuple[str, str], int] = {}
    for ids, text in zip(ids_of(POLISH), POLISH, strict=True):
        features = naive_features(text)
        assert len(ids) == len(features), text
        for feature, number in zip(features, ids, strict=True):
            assert known.setdefault(feature, number) == number, feature
    assert len(set(known.values())) == len(known)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=8))
def test_one_id_per_letter_and_word_and_texts_do_not_touch(texts: list[str]) -> None:
    together = ids_of(texts)
    assert together == [ids_of([text])[0] for text in texts]
    assert [len(ids) for ids in together] == [len(naive_features(text)) for text in texts]


def test_diacritics_keep_words_apart_and_trigrams_together() -> None:
    (with_marks,), (without,) = ids_of(["łąka"]), ids_of(["laka"])
    assert with_marks[0] != without[0]
    assert with_marks[1:] == without[1:]


def test_chunks_do_not_show() -> None:
    texts = [f"item {i} żarówka {i % 7}w" for i in range(3000)]
    assert ids_of(texts) == [ids_of([text])[0] for text in texts]


def test_ids_fill_the_buckets_evenly() -> None:
    ids, _ = trigram_ids([f"{i:05d}" for i in range(20_000)], 256)
    words = np.bincount(ids.reshape(-1, 6)[:, 0], minlength=256)  # 78 each, if even
    assert words.min() > 40
    assert words.max() < 130


def test_ids_do_not_move() -> None:
    """Golden: a change here changes every trained model; bump TRIGRAMS with it."""
    assert ids_of(["Łaska"]) == [[10626, 25914, 32714, 51979, 25531, 23257]]


def test_a_lone_surrogate_is_no_letter() -> None:
    assert ids_of(["a\ud800b"]) == ids_of(["a b"])


def test_buckets_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="buckets=1000"):
        trigram_ids(["a"], 1000)
