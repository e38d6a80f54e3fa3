"""How a query is worded beside the catalogue: does a title have its words, does it name a brand, are marks left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.text.analyser import fold

Mask = NDArray[np.bool_]
_WORD = re.compile(r"\w+")
LONGEST_BRAND = 3  # words


def words(text: str) -> list[str]:
    """The words of a text, lower case, without diacritics."""
    return [fold(word) for word in _WORD.findall(text.lower())]


def exact_matches(queries: Sequence[str], titles: Sequence[Sequence[str]]) -> Mask:
    """True [Q] where a title has every word of the query. titles: of each query's relevant items.

    Elsewhere shopper and shop use different words: what a lexical index cannot bridge.
    """
    found = np.zeros(len(queries), np.bool_)
    for row, (query, some) in enumerate(zip(queries, titles, strict=True)):
        wanted = set(words(query))
        found[row] = bool(wanted) and any(wanted.issubset(words(title)) for title in some)
    return found


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


def _grams(found: list[str]) -> set[str]:
    sizes = range(1, LONGEST_BRAND + 1)
    return {" ".join(found[at : at + n]) for n in sizes for at in range(len(found) - n + 1)}
