"""The reader that an online service imports: it opens a bundle and searches it. It loads no torch, Spark or MLflow.

    from jobs.bundle.reader import open_bundle
    from jobs.lake.alias import pin_alias

    bundle = open_bundle(pin_alias("search/champion"))        # or pin_copy("/srv/bundle") of jobs.lake.read
    for hit in bundle.search("tenisówki pikachu"):
        hit.item_id, hit.title, hit.score

`search` returns what is judged: the report's arm `served`, the clock, `verify` and the terminal call it too.
Threads may share a bundle. `search/champion` moves: a service that sees another `bundle_id` opens the new bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from jobs.bundle import files
from jobs.bundle.near_duplicates import threshold_in, vectors_in, without_near_duplicates
from jobs.bundle.query_encoder import Encoder, Vectors, open_encoder
from jobs.lake.arrow import Rows, Strings, pick, texts
from jobs.lake.read import Pinned
from models.ann.cutoff import DENSE, Cutoff
from models.ann.hydrate import hydrated_queries
from models.ann.near_duplicates import VectorsOf
from models.ann.search import ask
from models.ann.spread import spread
from models.fusion.fuse import FusionWeights, classes_of, fuse, fuse_by_class
from models.fusion.ranked_lists import Ranked, first, nothing, stacked, trec_order
from models.reranking.features import Candidates, ItemArrays
from models.text.normalise import normalise_query

if TYPE_CHECKING:
    from jobs.bundle.reranker import Reranker
    from models.sparse.bm25 import SparseIndex


POOL = 200  # items of each arm that are fused, and of which a list is served
RERANKED = 300  # items of a list that a ranker puts into another order


@dataclass(frozen=True)
class Hit:
    """One item of a list; score in the unit of its arm."""

    item_id: str
    title: str
    score: float


class FirstStage(NamedTuple):
    """The list that a ranker reads: its items with each arm's rank and score, and the query's vector [D]."""

    listed: Candidates
    vector: Vectors


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. item_ids and titles are in row order of the index."""

    pinned: Pinned
    encoder: Encoder
    index: faiss.Index
    item_ids: Strings
    titles: Strings
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Address of the partition that it is, or was copied from."""
        return str(self.pinned.partition)

    @property
    def id(self) -> str:
        """The bundle's one id, which promote, verify and search print too."""
        return self.pinned.bundle_id

    def search(self, query: str, top: int = 0, rerank: Reranker | None = None) -> list[Hit]:
        """Items for a query as typed, best first, until the bundle's cut-off.

        Hybrid where the bundle has a sparse arm, else dense; without near-duplicates. Scores are those of the fusion,
        or cosines. top: at most so many items; 0: the whole list. rerank: a ranker of jobs.bundle.reranker, which puts
        the first 300 into another order; the list is as long as without it, and scores are the ranker's.
        """
        ranked = self.served([query]) if rerank is None else self.reranked([query], rerank, cut=True)
        return self.hits(ranked)[: top or None]

    def served(self, queries: Sequence[str]) -> Ranked:
        """The lists of `search` for many queries as typed: the rows of the index.

        Each query is searched alone, as in a service: a batch is rounded differently, and near ties change places.
        """
        return stacked([self._served(query) for query in queries])

    def _served(self, query: str) -> Ranked:
        dense = nothing(1, self.pool) if self.skips_dense(query) else self.dense(self.encode([query]), self.pool)
        sparse = self.lexical([query], self.pool) if self.has_sparse else None
        distinct = self._uncut(query, dense, sparse, self.pool)
        # bundles of older code: their rule sets the length of the dense list, and so of this one
        ruled = dense if self.cutoff.reads == DENSE and self.has_sparse else distinct
        return first(distinct, int(self.cutoff.lengths(ruled.scores)[0]))

    def _uncut(self, query: str, dense: Ranked, sparse: Ranked | None, depth: int) -> Ranked:
        """Fuse the arms, drop near-duplicates, and spread over clusters where the bundle says so."""
        whole = dense if sparse is None else self.fused([query], dense, sparse, depth)
        distinct = without_near_duplicates(self.index, whole, threshold_in(self.facts), len(self.weights))
        if self.clusters is None:
            return distinct
        return spread(distinct, self.clusters, int(self.facts["clusters"]["nearest"]))

    def reranked(self, queries: Sequence[str], rerank: Reranker, cut: bool = False) -> Ranked:
        """The first 300 of many queries as typed, in the ranker's order. cut: as long as the lists of `search`.

        Raises:
            RuntimeError: the ranker was trained with other towers.
            LookupError: the bundle has no numbers of items.
        """
        rerank.fits(self)
        return stacked([self._reranked(query, rerank, cut) for query in queries])

    def _reranked(self, query: str, rerank: Reranker, cut: bool) -> Ranked:
        stage = self.first_stage(query)
        rows, scores = stage.listed.rows, rerank.scores(self, query, stage)
        ranked = trec_order(rows[None], scores[None])
        if not cut:
            return ranked
        length = int(self.cutoff.lengths(stage.listed.score[None])[0]) if len(rows) else 0
        return first(ranked, length)

    def first_stage(self, query: str, depth: int = RERANKED) -> FirstStage:
        """The first items of the bundle's list for a query as typed, uncut and without near-duplicates.

        Listings to train on, re-ranking in a service and its evaluation all call it, one query at a time.
        """
        vector = self.encode([query])
        dense = self.dense(vector, depth)
        sparse = self.lexical([query], depth) if self.has_sparse else None
        listed = self._uncut(query, dense, sparse, depth)
        rows = listed.items[0][listed.items[0] >= 0]
        scores = listed.scores[0][: len(rows)]
        lexical = nothing(1, depth) if sparse is None else sparse
        return FirstStage(Candidates(rows, scores, *_places(rows, dense), *_places(rows, lexical)), vector[0])

    @cached_property
    def item_arrays(self) -> ItemArrays:
        """Numbers and hashed words of the items, which a ranker reads; mapped from the bundle's files.

        Raises:
            LookupError: the bundle was built without item_features.
        """
        if not self.pinned.has(files.ITEM_ARRAYS_FILE):
            raise LookupError(
                f"{self.name}: bundle {self.id} has no numbers of items for a ranker; build the index with"
                " --item_features item_features/ds=..."
            )
        return files.read_item_arrays(self.pinned)

    @cached_property
    def item_vectors(self) -> VectorsOf:
        """Unit vectors of rows, decoded from the index."""
        return vectors_in(self.index, len(self.weights))

    @cached_property
    def weights(self) -> Vectors:
        """Weights of the items' numbers, which the index has behind its vectors; empty where it has none."""
        return np.array(self.facts.get("hydration", {}).get("weights", []), np.float32)

    @property
    def dim(self) -> int:
        """Components of an item's vector, without its numbers."""
        return int(self.index.d) - len(self.weights)

    def hydrated(self, vectors: Vectors) -> Vectors:
        """Query vectors as the index compares them: with the weights behind them."""
        return hydrated_queries(vectors, self.weights, self.dim) if len(self.weights) else vectors

    def skips_dense(self, query: str) -> bool:
        """Whether a query is of a class for which the dense arm adds nothing, so that it is not encoded either."""
        if not self.has_sparse or not self.sparse_only:
            return False
        return str(classes_of([normalise_query(query)])[0]) in self.sparse_only

    @cached_property
    def sparse_only(self) -> frozenset[str]:
        """Classes of queries that the sparse arm serves alone; none in bundles of older code."""
        return frozenset(self.facts.get("dense_triggers", {}).get("sparse_only", ()))

    @cached_property
    def clusters(self) -> NDArray[np.int32] | None:
        """Cluster of each row, checked at its first use; None where lists are not spread over clusters."""
        if self.facts.get("clusters", {}).get("nearest", 1) <= 1:
            return None
        labels: NDArray[np.int32] = np.load(self.pinned.path(files.CLUSTERS_FILE), mmap_mode="r", allow_pickle=False)
        return labels

    @cached_property
    def pool(self) -> int:
        """Items of each arm of which a list is made: as many as the cut-off was fitted on."""
        return self.cutoff.depth or POOL

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Turn typed queries into unit vectors [Q, D]."""
        return self.encoder(queries)

    def dense(self, vectors: Vectors, depth: int, **settings: float) -> Ranked:
        """Rank by cosine similarity, and where the bundle is hydrated by the items' numbers.

        settings (nprobe, ...) replace the tuned ones, for this call alone.
        """
        return trec_order(*ask(self.index, self.hydrated(vectors), depth, {**self.settings, **settings}))

    @cached_property
    def settings(self) -> dict[str, float]:
        """The tuned settings of the index."""
        tuned: dict[str, float] = self.facts.get("search") or {"nprobe": self.facts["nprobe"]}
        return {name: value for name, value in tuned.items() if value}

    @cached_property
    def cutoff(self) -> Cutoff:
        """Rule by which a list ends."""
        return Cutoff(**self.facts["cutoff"])

    @property
    def has_sparse(self) -> bool:
        """Whether it has a sparse arm, and with it hybrid."""
        return self.pinned.has(files.SPARSE_FILE)

    @cached_property
    def sparse(self) -> SparseIndex:
        """The sparse arm, read at its first use.

        Raises:
            LookupError: the bundle was built without one.
            RuntimeError: it is not of as many items.
        """
        if not self.has_sparse:
            raise LookupError(
                f"{self.name}: bundle {self.id} has no sparse arm, it was built with sparse=off; build the"
                " index with sparse=on, or use the dense arm alone"
            )
        sparse = files.read_sparse(self.pinned)
        if sparse.n_items != len(self.item_ids):
            counts = {"sparse items": sparse.n_items, "ids": len(self.item_ids)}
            raise RuntimeError(f"{self.name}: {counts} differ; build the index again")
        return sparse

    def lexical(self, queries: Sequence[str], depth: int) -> Ranked:
        """Rank by shared words."""
        return self.sparse.search([normalise_query(text) for text in queries], depth)

    def rank(self, queries: Sequence[str], depth: int, pool: int = POOL) -> dict[str, Ranked]:
        """Rank items by each arm, uncut: dense, sparse, and hybrid, which fuses `pool` items of each.

        A bundle without a sparse arm has dense alone.
        """
        wide = max(depth, pool)
        dense = self.dense(self.encode(queries), wide)
        if not self.has_sparse:
            return {"dense": first(dense, depth)}
        sparse = self.lexical(queries, wide)
        hybrid = self.fused(queries, dense, sparse, depth)
        return {"dense": first(dense, depth), "sparse": first(sparse, depth), "hybrid": hybrid}

    def fused(self, queries: Sequence[str], dense: Ranked, sparse: Ranked, depth: int) -> Ranked:
        """Fuse the two arms as fitted; some classes of queries have weights of their own."""
        weights = FusionWeights(**self.facts["fusion"])
        if not self.class_weights:
            return fuse(dense, sparse, depth, weights)
        classes = classes_of([normalise_query(text) for text in queries])
        return fuse_by_class(dense, sparse, depth, weights, self.class_weights, classes)

    @cached_property
    def class_weights(self) -> dict[str, FusionWeights]:
        """Fusion weights of the classes of queries that gain by their own."""
        by_class = self.facts.get("fusion_by_class", {})
        return {name: FusionWeights(**weights) for name, weights in by_class.items()}

    def hits(self, ranked: Ranked, query: int = 0) -> list[Hit]:
        """List the items of one query's ranking, best first."""
        rows = ranked.items[query][ranked.items[query] >= 0]
        ids, titles = texts(pick(self.item_ids, rows)), texts(pick(self.titles, rows))
        scores = ranked.scores[query].tolist()
        return [Hit(*row) for row in zip(ids, titles, scores, strict=False)]


def _places(rows: Rows, ranked: Ranked) -> tuple[NDArray[np.int32], Vectors]:
    """Rank from 1 and score of each row in an arm's list; 0 and NaN where it does not list the row."""
    known = ranked.items[0][ranked.items[0] >= 0]
    order = np.argsort(known)
    place = np.searchsorted(known, rows, sorter=order)
    at = order[place.clip(max=len(known) - 1)] if len(known) else np.zeros(len(rows), np.int64)
    listed = known[at] == rows if len(known) else np.zeros(len(rows), bool)
    scores = ranked.scores[0][at] if len(known) else np.zeros(len(rows), np.float32)
    return np.where(listed, at + 1, 0).astype(np.int32), np.where(listed, scores, np.nan).astype(np.float32)


def open_bundle(pinned: Pinned, lists: str = "", threads: int = 1) -> Bundle:
    """Open a bundle for serving, and refuse it unless all its parts belong together.

    Every file is checked against its sha256 before it is opened: FAISS reads flipped bits and
    trailing rubbish without an error. lists: memory or disk, where the inverted lists are kept;
    empty: the value of NIGHTSHELF_LISTS, else memory. threads: of the encoder; FAISS uses
    OMP_NUM_THREADS.

    Raises:
        RuntimeError: a file is damaged, towers, index, ids and facts do not fit each other, or a golden
            query's vector is not the one of the machine that trained the towers.
        LookupError: the bundle has no ONNX query tower.
    """
    if not pinned.has(files.QUERY_TOWER):
        raise LookupError(
            f"{pinned.partition}: bundle {pinned.bundle_id} has no {files.QUERY_TOWER}, it is older than that;"
            " build the index again, or load it with torch (jobs.bundle.torch_reader)"
        )
    encoder = open_encoder(pinned, threads)
    bundle = Bundle(pinned, encoder, **files.read_parts(pinned, lists))
    files.check_vectors(pinned, "queries", encoder)
    return bundle
