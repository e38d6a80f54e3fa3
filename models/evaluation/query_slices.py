"""Slices of queries that average measures hide: likely typos, model numbers, length, wording beside the catalogue."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.text.analyser import fold

Codes = NDArray[np.uint64]
Mask = NDArray[np.bool_]
# A misspelt word: letters alone, and long enough that a neighbour is no accident.
SHORTEST, LONGEST = 4, 24
_LENGTHS = ((1, "1 word"), (2, "2 words"), (4, "3-4 words"))
_LONGER = "5+ words"
_MARKS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:[-./]\w+)*")
_MEASURE = re.compile(r"[\d./-]*\d-?[^\W\d]+")  # 18v, 3/4in, 10-pack: a number and its unit
_BASE = np.uint64(0x100000001B3)
_INVERSE_BASE = np.uint64(pow(0x100000001B3, -1, 1 << 64))
_PLACE = np.uint64(0x9E3779B97F4A7C15)
_WORDS_AT_ONCE = 1 << 16
LONGEST_BRAND = 3  # words


def words_of(texts: Iterable[str]) -> set[str]:
    """The different words of the texts, lower case, without diacritics."""
    return {word for text in texts for word in _WORD.findall(_fold(text))}


def likely_typos(queries: Sequence[str], vocabulary: set[str]) -> NDArray[np.bool_]:
    """True [Q] where a word of the query is likely misspelt.

    Such a word has 4 to 24 letters and nothing else, is not in the vocabulary (`words_of` the
    catalogue), and is one edit from a word that is: a letter too many, missing, wrong, or two
    neighbours swapped. An inflected form that no title has counts as well: it is as hard to match.
    """
    unknown = [
        [word for word in _WORD.findall(_fold(text)) if _could_be(word) and word not in vocabulary] for text in queries
    ]
    words = sorted({word for row in unknown for word in row})
    near = _one_edit_off(words, sorted(word for word in vocabulary if _near(word)))
    misspelt = {word for word, found in zip(words, near.tolist(), strict=True) if found}
    return np.array([not misspelt.isdisjoint(row) for row in unknown], np.bool_)


def model_numbers(queries: Sequence[str]) -> NDArray[np.bool_]:
    """True [Q] where a word of 4 characters or more has both letters and digits (wh-1000xm4).

    A number with a unit behind it (18v, 3/4in, 10-pack) is a measure and no model number.
    """
    return np.array([any(map(_is_model_number, _TOKEN.findall(_fold(text)))) for text in queries])


def lengths(queries: Sequence[str]) -> NDArray[np.str_]:
    """`1 word`, `2 words`, `3-4 words` or `5+ words` of each query [Q]."""
    counts = [len(_TOKEN.findall(text)) for text in queries]
    return np.array([next((name for most, name in _LENGTHS if n <= most), _LONGER) for n in counts], np.str_)


def words(text: str) -> list[str]:
    """The words of a text, lower case, without diacritics."""
    return [fold(word) for word in _WORD.findall(text.lower())]


def exact_matches(queries: Sequence[str], titles: Sequence[Sequence[str]]) -> Mask:
    """True [Q] where a title has every word of the query. titles: of each query's relevant items.

    Elsewhere shopper and shop use different words: what a lexical index cannot bridge.
    """
    has_all = np.zeros(len(queries), np.bool_)
    for row, (query, some) in enumerate(zip(queries, titles, strict=True)):
        wanted = set(words(query))
        has_all[row] = bool(wanted) and any(wanted.issubset(words(title)) for title in some)
    return has_all


def brand_named(queries: Sequence[str], brands: Iterable[str]) -> Mask:
    """True [Q] where up to three words in a row of the query are a brand."""
    known = {" ".join(words(brand)) for brand in brands} - {""}
    return np.array([not known.isdisjoint(_grams(words(query))) for query in queries], np.bool_)


def marks_left_out(queries: Sequence[str], texts: Iterable[str]) -> Mask:
    """True [Q] where a word is in the catalogue only with diacritics, which the query leaves out."""
    typed: set[str] = set()
    for text in texts:
        typed.update(_WORD.findall(text.lower()))
    marked = {fold(word) for word in typed if not word.isascii()}
    return np.array(
        [any(word in marked and word not in typed for word in _WORD.findall(query.lower())) for query in queries],
        np.bool_,
    )


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.lower()))
    return plain.replace("ł", "l").replace("ø", "o").replace("đ", "d")


def _grams(words_in_order: list[str]) -> set[str]:
    sizes = range(1, LONGEST_BRAND + 1)
    return {" ".join(words_in_order[at : at + n]) for n in sizes for at in range(len(words_in_order) - n + 1)}


def _could_be(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def _near(word: str) -> bool:
    """Whether a word that could be a typo could be one of this word."""
    return SHORTEST - 1 <= len(word) <= LONGEST + 1 and word.isalpha()


def _is_model_number(token: str) -> bool:
    return (
        len(token) >= 4
        and any(mark.isdigit() for mark in token)
        and any(mark.isalpha() for mark in token)
        and _MEASURE.fullmatch(token) is None
    )


def _one_edit_off(words: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """True [len(words)] where a word is one edit from a known one; known words come in chunks.

    Two words are one edit apart when deleting a letter of the one gives the other, when deleting
    the letter at the same place of both gives the same, or when a swap of the one gives the other.
    Words are compared as 64-bit hashes.
    """
    hit = np.zeros(len(words), np.bool_)
    if not words:
        return hit
    codes, size = _codes(words)
    whole, shorter = _whole(codes), _deletions(codes, size)
    swapped, placed = _swaps(codes, size, whole), _placed(shorter)
    for start in range(0, len(known), _WORDS_AT_ONCE):
        codes, size = _codes(known[start : start + _WORDS_AT_ONCE])
        their_whole, their_shorter = _whole(codes), _deletions(codes, size)
        hit |= np.isin(whole, their_shorter)
        for ours, theirs in ((shorter, their_whole), (placed, _placed(their_shorter)), (swapped, their_whole)):
            hit |= (np.isin(ours, theirs) & (ours > 0)).any(axis=1)
    return hit


def _codes(words: Sequence[str]) -> tuple[Codes, NDArray[np.int64]]:
    """Letters of the words [W, LONGEST + 1], 0 behind the last; and how many each has."""
    padded = "".join(word.ljust(LONGEST + 1, "\0") for word in words)
    codes = np.frombuffer(padded.encode("utf-32-le"), np.uint32).reshape(len(words), -1)
    return codes.astype(np.uint64), np.array([len(word) for word in words])


def _powers() -> Codes:
    return np.multiply.accumulate(np.concatenate([np.ones(1, np.uint64), np.full(LONGEST, _BASE, np.uint64)]))


def _whole(codes: Codes) -> Codes:
    """Hash of each word [W]: the sum of letter x base^place, modulo 2^64."""
    hashes: Codes = (codes * _powers()).sum(axis=1, dtype=np.uint64)
    return hashes


def _deletions(codes: Codes, size: NDArray[np.int64]) -> Codes:
    """Hash of each word without its letter at each place [W, L]; 0 behind the last letter."""
    before = np.cumsum(codes * _powers(), axis=1, dtype=np.uint64)
    after = (before[:, -1:] - before) * _INVERSE_BASE
    inside = np.arange(codes.shape[1]) < size[:, None]
    hashes: Codes = np.where(inside, before - codes * _powers() + after, np.uint64(0))
    return hashes


def _placed(shorter: Codes) -> Codes:
    """The same, told apart by the place too; 0 stays 0."""
    place = np.arange(1, shorter.shape[1] + 1, dtype=np.uint64) * _PLACE
    hashes: Codes = np.where(shorter > 0, shorter ^ place, np.uint64(0))
    return hashes


def _swaps(codes: Codes, size: NDArray[np.int64], whole: Codes) -> Codes:
    """Hash of each word with each two neighbours swapped [W, L - 1]."""
    left, right, power = codes[:, :-1], codes[:, 1:], _powers()
    moved = (right - left) * power[:-1] + (left - right) * power[1:]
    inside = np.arange(1, codes.shape[1]) < size[:, None]
    hashes: Codes = np.where(inside, whole[:, None] + moved, np.uint64(0))
    return hashes


def named(columns: dict[str, NDArray[np.str_] | NDArray[np.bool_]]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Every slice as (name, mask [Q]): a flag is one slice, a column of names one for each name."""
    for column, values in columns.items():
        if values.dtype == np.bool_:
            yield column, values.astype(np.bool_)
        else:
            yield from ((str(name), values == name) for name in np.unique(values))
