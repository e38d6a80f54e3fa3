"""Slices by hand, and the edit of one letter against a plain definition of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.query_slices import lengths, likely_typos, model_numbers, named, words_of

VOCABULARY = words_of(["Buty trekkingowe Łosoś", "hammer drill 18V", "Lampa-stojąca HAMMERS"])


def test_words_are_folded() -> None:
    assert {*("buty", "trekkingowe", "losos", "hammer", "drill", "18v", "lampa", "stojaca", "hammers")} == VOCABULARY


@pytest.mark.parametrize(
    ("query", "typo"),
    [
        ("hammer drill", False),  # all known
        ("hamer", True),  # a letter missing
        ("hammmer", True),  # one too many
        ("hannmer", False),  # two wrong
        ("hanmer", True),  # one wrong
        ("ahmmer", True),  # neighbours swapped
        ("hmamer", True),
        ("ammerh", False),  # a letter moved far: no single edit
        ("dril", True),  # four letters, the fifth missing
        ("but", False),  # too short to say
        ("łósoś", False),  # only diacritics: no misspelling
        ("lampq stojaca", True),  # one word of several
        ("kettle", False),  # unknown, and like nothing that is known
        ("dr1ll", False),  # a digit: perhaps a model
        ("18w", False),
        ("", False),
        ("hammerss", True),
        ("trekkingowee", True),
        ("h" * 40, False),  # longer than any word looked at
    ],
)
def test_a_likely_typo_by_hand(query: str, typo: bool) -> None:
    assert likely_typos([query], VOCABULARY).tolist() == [typo]


def test_queries_keep_their_places() -> None:
    asked = ["hammer", "hamer", "", "drill dirll"]
    assert likely_typos(asked, VOCABULARY).tolist() == [False, True, False, True]
    assert likely_typos([], VOCABULARY).tolist() == []
    assert likely_typos(asked, set()).tolist() == [False] * 4


def one_edit(a: str, b: str) -> bool:
    """The definition, letter by letter."""
    edits = {a[:i] + a[i + 1 :] for i in range(len(a))}
    edits |= {a[:i] + c + a[i:] for i in range(len(a) + 1) for c in "abc"}
    edits |= {a[:i] + c + a[i + 1 :] for i in range(len(a)) for c in "abc"}
    edits |= {a[:i] + a[i + 1] + a[i] + a[i + 2 :] for i in range(len(a) - 1)}
    return b in edits and a != b


WORD = st.text("abc", min_size=4, max_size=7)


@settings(max_examples=300, deadline=None)
@given(WORD, st.sets(WORD, min_size=1, max_size=4))
def test_one_edit_is_what_its_definition_says(word: str, known: set[str]) -> None:
    expected = word not in known and any(one_edit(word, other) for other in known)
    assert likely_typos([word], known).tolist() == [expected]


@pytest.mark.parametrize(
    ("query", "model"),
    [
        ("sony wh-1000xm4", True),
        ("dcd771", True),
        ("dcd-771 drill", True),
        ("2810-20 milwaukee", False),  # digits alone
        ("18v drill", False),  # a number and its unit
        ("18-volt battery", False),
        ("3/4in plywood", False),
        ("1/2-inch", False),
        ("r2d", False),  # three characters
        ("hammer", False),
        ("60w bulb a19x", True),
    ],
)
def test_a_model_number_by_hand(query: str, model: bool) -> None:
    assert model_numbers([query]).tolist() == [model]


def test_lengths_and_names() -> None:
    found = lengths(["lamp", "red lamp", "a b c", "a b c d", "wh-1000xm4 a b c d", ""])
    assert found.tolist() == ["1 word", "2 words", "3-4 words", "3-4 words", "5+ words", "1 word"]
    slices = dict(named({"typo": np.array([True, False]), "segment": np.array(["tail", "head"])}))
    assert {name: rows.tolist() for name, rows in slices.items()} == {
        "typo": [True, False],
        "head": [False, True],
        "tail": [True, False],
    }
