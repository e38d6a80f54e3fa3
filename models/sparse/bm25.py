"""The sparse arm: BM25 over analysed item texts.

A few queries are scored here, which needs neither bm25s nor the scipy that it imports: a service has one query at a
time. Many are scored by bm25s, compiled.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fusion.ranked_lists import Ranked, trec_order
from models.text.analyser import Analyser, Terms

K1 = 1.2
B = 0.75
Q_CHUNK = 2048
# compiling the numba scorer takes five seconds: worth it for a batch, not for a shopper's query
QUERIES_WORTH_COMPILING = 500


@dataclass(frozen=True)
class SparseIndex:
    """A BM25 index that can be kept as three arrays and a list of terms.

    data float32 and indices int32 [postings], indptr int64 [terms + 1]: CSC, a column per term.
    """

    data: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    terms: list[str]
    n_items: int
    language: str

    def search(self, queries: Sequence[str], depth: int) -> Ranked:
        """Rank items for each query; places after the last item that shares a term hold -1.

        Ties go to the larger row, as trec_eval has it. Returns items and scores [Q, depth].
        """
        analysed = self._analyser.analyse(queries)
        numbers = [self._number.get(term, -1) for term in analysed.vocabulary]
        known = np.array(numbers, dtype=np.int64)
        items = np.full((len(queries), depth), -1, dtype=np.int64)
        scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        if len(queries) >= QUERIES_WORTH_COMPILING:
            alone = self._search_many(analysed, known, items, scores)
        else:
            alone = np.arange(len(queries))
        for row in alone.tolist():
            (terms,) = _lists(analysed, known, row, row + 1)
            best, values = self._search_one(terms, depth)
            items[row], scores[row] = -1, -np.inf
            items[row, : len(best)], scores[row, : len(best)] = best, values
        return trec_order(items, scores)

    def _search_one(self, terms: list[int], depth: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and scores of the best `depth` items, in no order; of equals at the end the larger rows."""
        scores = np.zeros(self.n_items, np.float32)
        for term in terms:
            postings = slice(int(self.indptr[term]), int(self.indptr[term + 1]))
            scores[self.indices[postings]] += self.data[postings]  # a column has an item once
        rows = np.flatnonzero(scores)
        if len(rows) > depth:
            values = scores[rows]
            last = np.partition(values, -depth)[-depth]
            above, equal = rows[values > last], rows[values == last]
            rows = np.concatenate([above, equal[len(equal) - (depth - len(above)) :]])
        return rows, scores[rows]

    def _search_many(
        self, analysed: Terms, known: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Fill items and scores [Q, depth] by bm25s; returns the queries whose list ends among equal items, of which
        bm25s takes any."""
        engine = self._engine()
        width = min(items.shape[1], self.n_items)
        among_equals = np.zeros(len(items), np.bool_)
        for start in range(0, len(items), Q_CHUNK):
            wanted = _lists(analysed, known, start, min(start + Q_CHUNK, len(items)))
            best = engine.retrieve(wanted, k=min(width + 1, self.n_items), show_progress=False)
            found, values = best.documents[:, :width], best.scores[:, :width]
            block = slice(start, start + len(wanted))
            items[block, :width] = np.where(values > 0, found, -1)
            scores[block, :width] = np.where(values > 0, values, -np.inf)
            last = values[:, -1:]
            among_equals[block] = ((best.scores[:, width:] == last) & (last > 0)).any(axis=1)
        return np.flatnonzero(among_equals)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Give the arrays to persist, by name; `terms`, `n_items`, `language` go beside them."""
        return {"data": self.data, "indices": self.indices, "indptr": self.indptr}

    @cached_property
    def _number(self) -> dict[str, int]:
        return {term: row for row, term in enumerate(self.terms)}

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.language)

    def _engine(self) -> Any:
        """A bm25s engine with scores that are ready: of bm25s only the search is used."""
        import bm25s  # takes a second, which a service need not wait

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG when imported
        engine = bm25s.BM25(method="lucene", backend="auto")
        # one term past the last, without postings: it stands for queries of unknown words only
        indptr = np.concatenate([self.indptr, self.indptr[-1:]])
        engine.scores = {"data": self.data, "indices": self.indices, "indptr": indptr, "num_docs": self.n_items}
        engine.vocab_dict = {"": len(self.terms)}
        engine.unique_token_ids_set = set(range(len(self.terms) + 1))
        engine.nonoccurrence_array = None
        return engine


def _lists(terms: Terms, known: NDArray[np.int64], start: int, stop: int) -> list[list[int]]:
    """Give one list of known term ids per text, as bm25s wants them."""
    low, high = int(terms.offsets[start]), int(terms.offsets[stop])
    ids = known[terms.ids[low:high]]
    edges = terms.offsets[start + 1 : stop] - low
    return [part[part >= 0].tolist() for part in np.split(ids, edges)]


@dataclass(frozen=True)
class Counts:
    """Counts of each term in each of N item texts: all that BM25 needs of them.

    times float32 and indices int32 [postings], indptr int64 [terms + 1]: a column per term, items rising.
    lengths int64 [N]: terms of each text.
    """

    times: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    lengths: NDArray[np.int64]
    terms: list[str]
    language: str

    def weighed(self, k1: float = K1, b: float = B) -> SparseIndex:
        """Give every posting its BM25 score, as Lucene has it.

        k1: how soon another occurrence of a term counts for less. b: how far long texts are held back.
        """
        n_items, holding = len(self.lengths), np.diff(self.indptr)
        idf = np.log1p((n_items - holding + 0.5) / (holding + 0.5)).astype(np.float32)
        norm = (k1 * (1 - b + b * self.lengths / self.lengths.mean())).astype(np.float32)
        data = self.times / (self.times + norm[self.indices])
        data *= np.repeat(idf, holding)
        return SparseIndex(data, self.indices, self.indptr, self.terms, n_items, self.language)


def count_terms(texts: Sequence[str], language: str = "none") -> Counts:
    """Analyse N item texts and count their terms; item i is texts[i].

    Raises:
        ValueError: no text holds a single word.
    """
    analysed = Analyser(language).analyse(texts)
    if not len(analysed.ids):
        raise ValueError(f"none of {len(texts)} item texts holds a word: nothing to index")
    lengths = np.diff(analysed.offsets)
    item = np.repeat(np.arange(len(texts)), lengths)
    keys, times = np.unique(analysed.ids * len(texts) + item, return_counts=True)
    term = keys // len(texts)
    return Counts(
        times.astype(np.float32),
        (keys % len(texts)).astype(np.int32),
        np.searchsorted(term, np.arange(len(analysed.vocabulary) + 1)),
        lengths,
        analysed.vocabulary,
        language,
    )


def build_sparse(texts: Sequence[str], language: str = "none", k1: float = K1, b: float = B) -> SparseIndex:
    """Index N item texts; row i of the index is texts[i].

    Raises:
        ValueError: no text holds a single word.
    """
    return count_terms(texts, language).weighed(k1, b)
