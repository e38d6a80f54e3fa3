"""The lexical part of the simulated shop search: BM25 scores by one sparse product, no compiled scorer.

bm25s scores thousands of queries fast once numba has compiled it, which takes longer than a demo's whole log.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.sparse.bm25 import SparseIndex
from models.text.analyser import Analyser

QUERIES_AT_ONCE = 256
WORST_SHARE = 0.3  # of the best score: what is below is not shown
COMMON_FRAC = 0.1  # words of more items than this find nothing: a crude shop's list of stop words


def lexical(
    index: SparseIndex, queries: Sequence[str], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (query, item row, score) of the `depth` best items for each query, as three arrays.

    Scores are those of BM25 as a share of the query's best. Queries of unknown or all too common words find nothing.
    """
    terms = Analyser(index.language).analyse(queries)
    number = {term: row for row, term in enumerate(index.terms)}
    ids = np.array([number.get(term, -1) for term in terms.vocabulary], dtype=np.int64)[terms.ids]
    of_query = np.repeat(np.arange(len(queries)), np.diff(terms.offsets))
    common = np.diff(index.indptr) > max(1.0, COMMON_FRAC * index.n_items)
    use = (ids >= 0) & ~common[ids]
    shape = (len(index.terms), index.n_items)
    postings = sparse.csr_array((index.data, index.indices, index.indptr), shape=shape)
    words = sparse.csr_array(
        (np.ones(int(use.sum()), np.float32), (of_query[use], ids[use])), shape=(len(queries), shape[0])
    )
    pairs: list[tuple[NDArray[np.int64], ...]] = []
    scores: list[NDArray[np.float64]] = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        block = words[start : start + QUERIES_AT_ONCE] @ postings
        row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        best = np.zeros(block.shape[0], dtype=np.float32)
        np.maximum.at(best, row, block.data)
        share = block.data / best[row]
        near = np.flatnonzero(share >= WORST_SHARE)  # sorting all that share one word takes longest
        near = near[np.lexsort((block.indices[near], -share[near], row[near]))]
        kept = near[np.arange(len(near)) - np.searchsorted(row[near], row[near]) < depth]
        pairs.append((row[kept] + start, block.indices[kept].astype(np.int64)))
        scores.append(share[kept].astype(np.float64))
    query, item = (np.concatenate([part[i] for part in pairs]) for i in range(2))
    return query, item, np.concatenate(scores)
