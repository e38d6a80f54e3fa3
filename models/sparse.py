"""The sparse arm: BM25 over analysed item texts, scored by bm25s."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import bm25s
import numpy as np
from numpy.typing import NDArray

from models.analysis import Analyser, Terms
from models.fusion import Ranked, trec_order

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
        engine = self._engine("auto" if len(queries) >= QUERIES_WORTH_COMPILING else "numpy")
        width = min(depth, self.n_items)
        items = np.full((len(queries), depth), -1, dtype=np.int64)
        scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        for start in range(0, len(queries), Q_CHUNK):
            wanted = _lists(analysed, known, start, min(start + Q_CHUNK, len(queries)))
            found = engine.retrieve(wanted, k=width, show_progress=False)
            matched = found.scores > 0
            block = slice(start, start + len(wanted))
            items[block, :width] = np.where(matched, found.documents, -1)
            scores[block, :width] = np.where(matched, found.scores, -np.inf)
        return trec_order(items, scores)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Give the arrays to persist, by name; `terms`, `n_items`, `language` go beside them."""
        return {"data": self.data, "indices": self.indices, "indptr": self.indptr}

    @cached_property
    def _number(self) -> dict[str, int]:
        return {term: row for row, term in enumerate(self.terms)}

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.language)

    def _engine(self, backend: str) -> bm25s.BM25:
        engine = bm25s.BM25(k1=K1, b=B, method="lucene", backend=backend)
        # one term past the last, without postings: it stands for queries of unknown words only
        indptr = np.concatenate([self.indptr, self.indptr[-1:]])
        engine.scores = {
            "data": self.data,
            "indices": self.indices,
            "indptr": indptr,
            "num_docs": self.n_items,
        }
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


def build_sparse(texts: Sequence[str], language: str = "none") -> SparseIndex:
    """Index N item texts; row i of the index is texts[i].

    Raises:
        ValueError: no text holds a single word.
    """
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG when imported
    terms = Analyser(language).analyse(texts)
    if not len(terms.ids):
        raise ValueError(f"none of {len(texts)} item texts holds a word: nothing to index")
    everything = np.arange(len(terms.vocabulary), dtype=np.int64)
    engine = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy")
    vocabulary = {term: row for row, term in enumerate(terms.vocabulary)}
    engine.index(
        (_lists(terms, everything, 0, len(texts)), vocabulary),
        show_progress=False,
        create_empty_token=False,
    )
    return SparseIndex(
        data=np.asarray(engine.scores["data"], dtype=np.float32),
        indices=np.asarray(engine.scores["indices"], dtype=np.int32),
        indptr=np.asarray(engine.scores["indptr"], dtype=np.int64),
        terms=terms.vocabulary,
        n_items=len(texts),
        language=language,
    )
