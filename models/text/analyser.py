"""Text analysis of the sparse arm: words as typed -> terms that a lexical index can match."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import Stemmer
from numpy.typing import NDArray

from models.text.ragged import ragged

LANGUAGES = {"none": "", "en": "english", "pl": "polish"}

GUESSED_TEXTS = 5000
GUESS_FRAC = 0.01
_POLISH = frozenset("ąćęłńśźż")
_ENGLISH = frozenset(("and", "the", "for", "with", "of", "in", "to", "on", "by"))

# A word may hold inner marks ("wh-1000xm4", "3/4"), so that a model number is seen whole.
_WORD = re.compile(r"\n|\w+(?:[-./]\w+)*")
_PART = re.compile(r"\w+")
_LETTERS_WITHOUT_DECOMPOSITION = str.maketrans("łøđŁØĐ", "lodLOD")


def fold(word: str) -> str:
    """Strip diacritics: shoppers leave them out more often than not."""
    decomposed = unicodedata.normalize("NFD", word.translate(_LETTERS_WITHOUT_DECOMPOSITION))
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark))


def guess_language(texts: Sequence[str]) -> str:
    """Tell Polish, English and neither apart by their own letters and their commonest words."""
    words = " ".join(texts[:GUESSED_TEXTS]).lower().split()
    own = {"pl": sum(not _POLISH.isdisjoint(word) for word in words), "en": sum(word in _ENGLISH for word in words)}
    best = max(own, key=lambda language: own[language])
    return best if own[best] > GUESS_FRAC * len(words) else "none"


@dataclass(frozen=True)
class Terms:
    """Terms of Q texts, flat: text i owns ids[offsets[i]:offsets[i + 1]].

    ids int64 [T] point into vocabulary, offsets int64 [Q + 1].
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    vocabulary: list[str]


class Analyser:
    """Lower, fold and stem words; tokens that carry a digit are kept as they are.

    A stemmer of an inflected language leans on its diacritics, and half of the shoppers type none.
    A word therefore yields both its folded stem and the stem of its folded form: "butów" gives
    "but" and "butow", so it meets "buty" and "butow" alike.
    """

    def __init__(self, language: str = "none") -> None:
        """Make the analyser of a language.

        Raises:
            ValueError: language is not one of LANGUAGES.
        """
        if language not in LANGUAGES:
            raise ValueError(f"language {language!r} is not one of {', '.join(LANGUAGES)}")
        self.language = language
        self._stemmer = Stemmer.Stemmer(LANGUAGES[language]) if LANGUAGES[language] else None

    def terms_of(self, word: str) -> list[str]:
        """List the distinct terms of one lower-case word, in a fixed order."""
        parts = _PART.findall(word)
        whole = ["".join(parts)] if len(parts) > 1 else []
        terms = [fold(term) for term in whole]
        for part in parts:
            terms.extend(self._terms_of_part(part))
        return list(dict.fromkeys(terms))

    def _terms_of_part(self, part: str) -> list[str]:
        # a model number is never stemmed: "1000s" and "1000" are two machines
        if self._stemmer is None or any(mark.isdigit() for mark in part):
            return [fold(part)]
        stems = self._stemmer.stemWords([part, fold(part)])
        return [fold(stems[0]), stems[1]]

    def analyse(self, texts: Sequence[str]) -> Terms:
        """Turn texts into flat term ids; the only loop in Python is over distinct words."""
        joined = "\n".join(text.replace("\n", " ") for text in texts)
        words = _WORD.findall(unicodedata.normalize("NFKC", joined).lower())
        lexicon = {word: row for row, word in enumerate(dict.fromkeys(words))}
        rows = np.fromiter(map(lexicon.__getitem__, words), np.int64, len(words))
        per_word = [self.terms_of(word) for word in lexicon]
        vocabulary = list(dict.fromkeys(term for terms in per_word for term in terms))
        number = {term: row for row, term in enumerate(vocabulary)}
        terms = ragged([[number[term] for term in terms] for terms in per_word]).take(rows)
        breaks = terms.offsets[1:][rows == lexicon.get("\n", -1)]
        last = [len(terms.values)] if len(texts) else []
        offsets = np.concatenate([[0], breaks, last]).astype(np.int64)
        return Terms(terms.values.astype(np.int64), offsets, vocabulary)
