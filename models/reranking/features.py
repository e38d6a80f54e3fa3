"""Features of a list: one function for training and for serving, so that a ranker reads the same numbers in both.

A feature that is not known is NaN: an item that an arm does not list, a shop without prices, a query without a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.reranking.numbers import NUMBERS
from models.text.analyser import Analyser, Terms
from models.text.normalise import normalise_query, query_id
from models.text.ragged import Ragged
from models.text.trigrams import trigram_ids

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
BUCKETS = 1 << 20  # of trigrams
SEGMENTS = ("tail", "torso", "head")  # of queries, by rising number of searches; the feature is the place here
ARM_FEATURES = (
    *("hybrid_rank", "hybrid_score", "hybrid_share", "dense_rank", "dense_score", "dense_below_best"),
    *("sparse_rank", "sparse_score", "sparse_share"),
)
TEXT_FEATURES = (
    *(
        "query_segment",
        "query_terms",
        "query_chars",
        "title_terms",
        "terms_matched",
        "idf_matched",
        "terms_missed",
        "is_phrase",
    ),
    *("is_exact", "last_term", "model_number", "brand", "first_place", "trigrams_matched", "trigrams_alike"),
)
LIST_FEATURES = ("price_to_list", "price_below_frac")
FEATURES = (*ARM_FEATURES, *TEXT_FEATURES, *NUMBERS, *LIST_FEATURES)
_PRICE = NUMBERS.index("price")


class Candidates(NamedTuple):
    """The list to be ranked again, in the order of the first stage: rows of items, and each arm's rank and score.

    score [n]: of the fusion. dense_rank, sparse_rank: from 1; 0 where the arm does not list the item, and its score NaN.
    """

    rows: Rows
    score: Floats
    dense_rank: NDArray[np.int32]
    dense_score: Floats
    sparse_rank: NDArray[np.int32]
    sparse_score: Floats


@dataclass(frozen=True)
class ItemArrays:
    """All items of a bundle, by row: numbers [N, F] as NUMBERS, hashed terms of titles and brands, hashed trigrams.

    terms, term_idf: hash of each term of the titles, sorted, with its inverse document frequency. queries, segments: hash
    of each query of head and torso, sorted, with its place in SEGMENTS; without any, no segment is known. Arrays may be
    memory-mapped.
    """

    numbers: Floats
    titles: Ragged
    brands: Ragged
    trigrams: Ragged
    terms: NDArray[np.uint32]
    term_idf: Floats
    language: str
    queries: NDArray[np.uint64]
    segments: NDArray[np.uint8]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, to be written; `language` goes beside them."""
        parts = {"titles": self.titles, "brands": self.brands, "trigrams": self.trigrams}
        flat = {f"{name}_values": part.values for name, part in parts.items()}
        flat |= {f"{name}_offsets": part.offsets for name, part in parts.items()}
        terms = {"terms": self.terms, "term_idf": self.term_idf}
        return {"numbers": self.numbers, **terms, "queries": self.queries, "segments": self.segments, **flat}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], language: str) -> ItemArrays:
        """Items from their arrays."""
        parts = {
            name: Ragged(arrays[f"{name}_values"], arrays[f"{name}_offsets"])
            for name in ("titles", "brands", "trigrams")
        }
        return cls(
            arrays["numbers"],
            **parts,
            terms=arrays["terms"],
            term_idf=arrays["term_idf"],
            language=language,
            # bundles of older code know no queries
            queries=arrays.get("queries", np.zeros(0, np.uint64)),
            segments=arrays.get("segments", np.zeros(0, np.uint8)),
        )

    @cached_property
    def analyser(self) -> Analyser:
        """Terms of queries are made as those of the titles were."""
        return Analyser(self.language)


def item_arrays(
    titles: Sequence[str],
    brands: Sequence[str],
    numbers: Floats,
    language: str,
    query_ids: Sequence[str] = (),
    segments: Sequence[str] = (),
) -> ItemArrays:
    """Arrays of N items, in the order of their rows. query_ids, segments: known queries; of tail, or unseen, none is kept."""
    analyser = Analyser(language)
    words = _hashed(analyser.analyse(titles))
    grams, offsets = trigram_ids(titles, BUCKETS)
    terms, holding = np.unique(_once(words).values, return_counts=True)
    idf = np.log1p((len(titles) - holding + 0.5) / (holding + 0.5)).astype(np.float32)
    # a title says a word once or twice; a set of trigrams is what overlaps are counted on
    return ItemArrays(
        np.asarray(numbers, np.float32),
        words,
        _once(_hashed(analyser.analyse(brands))),
        _once(Ragged(grams, offsets)),
        terms.astype(np.uint32),
        idf,
        language,
        *_segments(query_ids, segments),
    )


def list_features(items: ItemArrays, query: str, listed: Candidates) -> Floats:
    """Features [n, F] of a list's items for a query as typed, columns as FEATURES."""
    columns = [*_arm_features(listed), *_text_features(items, normalise_query(query), listed.rows)]
    numbers = np.asarray(items.numbers[listed.rows], np.float32)
    return np.column_stack([*columns, numbers, *_price_features(numbers[:, _PRICE])]).astype(np.float32)


def _arm_features(listed: Candidates) -> list[NDArray[Any]]:
    dense, sparse = (np.where(rank > 0, rank, np.nan) for rank in (listed.dense_rank, listed.sparse_rank))
    hybrid_best, dense_best, sparse_best = (
        float(np.nanmax(score)) if len(score) and not np.isnan(score).all() else np.nan
        for score in (listed.score, listed.dense_score, listed.sparse_score)
    )
    return [
        np.arange(1, len(listed.rows) + 1),
        listed.score,
        _ratio(listed.score, hybrid_best),
        dense,
        listed.dense_score,
        dense_best - listed.dense_score,
        sparse,
        listed.sparse_score,
        _ratio(listed.sparse_score, sparse_best),
    ]


def _ratio(values: Floats, best: float) -> NDArray[Any]:
    return values / best if best else np.full(len(values), np.nan, np.float32)


def _text_features(items: ItemArrays, query: str, rows: Rows) -> list[NDArray[Any]]:
    titles, brands, grams = (part.take(rows) for part in (items.titles, items.brands, items.trigrams))
    analysed = items.analyser.analyse([query])
    vocabulary = [analysed.vocabulary[place] for place in analysed.ids.tolist()]
    asked = _hashes(vocabulary)
    wanted = np.unique(asked)
    idf = _idf(items, wanted)
    held = _held(titles, wanted)  # [n, terms]
    has_number = np.array([any(letter.isdigit() for letter in term) for term in vocabulary], bool)
    numbered = np.isin(wanted, asked[has_number]) if len(asked) else np.zeros(0, bool)
    own_grams = np.unique(trigram_ids([query], BUCKETS)[0])
    shared = _shared(grams, own_grams)
    phrase = _phrase(titles, asked)
    lengths = titles.lengths.astype(np.float64)
    matched = held.sum(1)
    return [
        np.full(len(rows), _segment(items, query)),
        np.full(len(rows), len(wanted)),
        np.full(len(rows), len(query)),
        lengths,
        _share(matched, len(wanted)),
        _share(held @ idf, float(idf.sum())),
        len(wanted) - matched,
        phrase >= 0,
        (phrase == 0) & (titles.lengths == len(asked)),
        held[:, np.searchsorted(wanted, asked[-1])] if len(asked) else np.full(len(rows), np.nan),
        _share((held & numbered).sum(1), int(numbered.sum())),
        _rate(_shared(brands, wanted), brands.lengths),
        _first_place(titles, wanted) / np.maximum(lengths, 1),
        _share(shared, len(own_grams)),
        _rate(shared, grams.lengths + len(own_grams) - shared),
    ]


def _price_features(price: Floats) -> list[NDArray[Any]]:
    """An item's price over the list's median, and the share of the list that is cheaper; NaN without a price."""
    known = price[~np.isnan(price)]
    if not len(known):
        return [np.full(len(price), np.nan), np.full(len(price), np.nan)]
    middle = float(np.median(known))
    below = np.searchsorted(np.sort(known), price).astype(np.float64) / len(known)
    return [price / middle if middle else np.full(len(price), np.nan), np.where(np.isnan(price), np.nan, below)]


def _segments(query_ids: Sequence[str], segments: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Hashes of the queries of head and torso, sorted, and their places in SEGMENTS."""
    places = np.array([SEGMENTS.index(name) if name in SEGMENTS else 0 for name in segments], np.uint8)
    hashes = np.array([_query_hash(known) for known in query_ids], np.uint64)[places > 0]
    order = np.argsort(hashes)
    return hashes[order], places[places > 0][order]


def _segment(items: ItemArrays, query: str) -> float:
    """Place in SEGMENTS of a normalised query; a query that is not among the known ones is of the tail."""
    if not len(items.queries):
        return float("nan")
    known, place = _places(np.array([_query_hash(query_id(query))], np.uint64), items.queries)
    return float(items.segments[place[0]]) if known[0] else 0.0


def _query_hash(known: str) -> int:
    """First 64 bits of a query_id."""
    return int(known[:16], 16)


def _hashes(terms: Sequence[str]) -> NDArray[np.uint32]:
    return np.array([crc32(term.encode("utf-8", "surrogatepass")) for term in terms], np.uint32)


def _hashed(terms: Terms) -> Ragged:
    """Terms as hashes, in the order of the texts."""
    return Ragged(_hashes(terms.vocabulary)[terms.ids] if len(terms.ids) else np.zeros(0, np.uint32), terms.offsets)


def _once(rows: Ragged) -> Ragged:
    """Each value of a row once, sorted."""
    row = np.repeat(np.arange(len(rows)), rows.lengths)
    order = np.lexsort((rows.values, row))
    values, row = rows.values[order], row[order]
    kept = np.ones(len(values), bool)
    kept[1:] = (values[1:] != values[:-1]) | (row[1:] != row[:-1])
    return Ragged(values, rows.offsets).keep(kept)


def _places(values: NDArray[Any], among: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether each value is among sorted others, and its place there."""
    if not len(among):
        return np.zeros(len(values), bool), np.zeros(len(values), np.int64)
    place = np.searchsorted(among, values).clip(max=len(among) - 1)
    return among[place] == values, place


def _idf(items: ItemArrays, wanted: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Inverse document frequency of terms; of one that no title has, the highest of all."""
    known, place = _places(wanted, items.terms)
    rare = float(np.max(items.term_idf, initial=1.0))
    return np.where(known, items.term_idf[place] if len(items.terms) else rare, rare).astype(np.float64)


def _held(rows: Ragged, wanted: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """A mask [n, wanted] of the wanted, sorted values that each row has."""
    known, place = _places(rows.values, wanted)
    held = np.zeros((len(rows), len(wanted)), bool)
    row = np.repeat(np.arange(len(rows)), rows.lengths)
    held[row[known], place[known]] = True
    return held


def _shared(rows: Ragged, wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Number [n] of the wanted values that each row has, whose values differ."""
    known, _ = _places(rows.values, wanted)
    before = np.concatenate([[0], np.cumsum(known)])
    counts: NDArray[np.int64] = before[rows.offsets[1:]] - before[rows.offsets[:-1]]
    return counts


def _phrase(titles: Ragged, asked: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Place in each title where all terms of the query follow one another; -1 where they do not."""
    places = np.full(len(titles), -1, np.int64)
    if not len(asked) or len(titles.values) < len(asked):
        return places
    last = len(titles.values) - len(asked) + 1
    starts = np.ones(last, bool)
    for step, term in enumerate(asked):
        starts &= titles.values[step : step + last] == term
    hits = np.flatnonzero(starts)
    row = np.searchsorted(titles.offsets, hits, side="right") - 1
    inside = hits + len(asked) <= titles.offsets[row + 1]
    # of several the first: written last
    places[row[inside][::-1]] = (hits - titles.offsets[row])[inside][::-1]
    return places


def _first_place(titles: Ragged, wanted: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Place of the first term of each title that the query has; NaN without any."""
    known, _ = _places(titles.values, wanted)
    hits = np.flatnonzero(known)
    row = np.searchsorted(titles.offsets, hits, side="right") - 1
    places = np.full(len(titles), np.nan)
    places[row[::-1]] = (hits - titles.offsets[row])[::-1]
    return places


def _share(part: NDArray[Any], whole: float) -> NDArray[Any]:
    return part / whole if whole else np.full(len(part), np.nan)


def _rate(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
