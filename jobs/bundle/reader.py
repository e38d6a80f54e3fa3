"""The reader, which an online service imports: a bundle in, ranked items out. No torch, no Spark, no MLflow behind it.

    from jobs.lake.alias import pin_alias
    from jobs.bundle.reader import open_bundle

    bundle = open_bundle(pin_alias("search/champion"))        # or pin_copy("/srv/bundle"), of jobs.lake.copied
    for hit in bundle.answer("tenisówki pikachu"):
        hit.item_id, hit.title, hit.score

Threads may share a bundle. What `search/champion` points at moves: a service that sees another `bundle_id` opens anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from jobs.bundle import files
from jobs.bundle.bundle_parts import parts
from jobs.bundle.golden import check_vectors
from jobs.bundle.near_duplicates import without_lookalikes
from jobs.bundle.query_encoder import Encoder, Vectors, open_encoder
from jobs.lake.arrow import Strings, pick, texts
from jobs.lake.read import Pinned
from models.ann.cutoff import Cutoff
from models.ann.search import ask
from models.fusion.ranked_lists import Ranked, first, trec_order
from models.fusion.votes import Vote, classes_of, fuse, fuse_by_class
from models.text.normalise import normalise_query

if TYPE_CHECKING:
    from models.sparse.bm25 import SparseIndex


DEPTH = 100


@dataclass(frozen=True)
class Hit:
    """One item of an answer; score in the unit of its arm."""

    item_id: str
    title: str
    score: float


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. item_ids and titles stand in row order of the index."""

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
        """The bundle's one id, which promote, verify and search say too."""
        return self.pinned.bundle_id

    def answer(self, query: str, depth: int = 0) -> list[Hit]:
        """Items near a query as typed, best first, ended by the cut-off; scores are cosines.

        depth: places looked at; 0: as many as the cut-off was fitted on.
        """
        deep = depth or self.cutoff.depth or DEPTH
        return self.shown(self.dense(self.encode([query]), deep))

    def shown(self, near: Ranked) -> list[Hit]:
        """What is shown of a dense list of one query: without lookalikes, ended by the cut-off."""
        return self.hits(self.cut(without_lookalikes(self.index, near, self.facts)))

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Turn typed queries into unit vectors [Q, D]."""
        return self.encoder(queries)

    def dense(self, vectors: Vectors, depth: int, **settings: float) -> Ranked:
        """Rank by cosine similarity. settings (nprobe, ...) stand for the tuned ones, for this call alone."""
        found = ask(self.index, vectors, depth, {**self.settings, **settings})
        return trec_order(found.items, found.scores)

    @cached_property
    def settings(self) -> dict[str, float]:
        """The tuned settings of a search."""
        found: dict[str, float] = self.facts.get("search") or {"nprobe": self.facts["nprobe"]}
        return {name: value for name, value in found.items() if value}

    @cached_property
    def cutoff(self) -> Cutoff:
        """Where lists end."""
        return Cutoff(**self.facts["cutoff"])

    @property
    def has_sparse(self) -> bool:
        """Whether it has a sparse arm, and with it hybrid."""
        return self.pinned.has(files.SPARSE_FILE)

    @cached_property
    def sparse(self) -> SparseIndex:
        """The sparse arm, read when it is first asked for.

        Raises:
            LookupError: the bundle was built without one.
            RuntimeError: it is not of as many items.
        """
        if not self.has_sparse:
            raise LookupError(
                f"{self.name}: bundle {self.id} has no sparse arm, it was built with sparse=off; build the"
                " index with sparse=on, or ask the dense arm alone"
            )
        found = files.read_sparse(self.pinned)
        if found.n_items != len(self.item_ids):
            counts = {"sparse items": found.n_items, "ids": len(self.item_ids)}
            raise RuntimeError(f"{self.name}: {counts} differ; build the index again")
        return found

    def lexical(self, queries: Sequence[str], depth: int) -> Ranked:
        """Rank by shared words."""
        return self.sparse.search([normalise_query(text) for text in queries], depth)

    def rank(self, queries: Sequence[str], depth: int, pool: int = 200) -> dict[str, Ranked]:
        """Rank items by every arm: dense, sparse, and hybrid, which fuses `pool` items of each.

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
        """Fuse the two arms as was fitted, by the class of each query where classes have votes of their own."""
        vote, own = Vote(**self.facts["fusion"]), self.own_votes
        if not own:
            return fuse(dense, sparse, depth, vote)
        classes = classes_of([normalise_query(text) for text in queries])
        return fuse_by_class(dense, sparse, depth, vote, own, classes)

    @cached_property
    def own_votes(self) -> dict[str, Vote]:
        """Votes of the classes of queries that gain by one of their own."""
        found = self.facts.get("fusion_by_class", {})
        return {name: Vote(**vote) for name, vote in found.items()}

    def cut(self, dense: Ranked) -> Ranked:
        """End each dense list where the bundle's cut-off says."""
        ends = self.cutoff.lengths(dense.scores)[:, None]
        gone = np.arange(dense.items.shape[1]) >= ends
        return Ranked(np.where(gone, -1, dense.items), np.where(gone, -np.inf, dense.scores))

    def hits(self, ranked: Ranked, query: int = 0) -> list[Hit]:
        """List the items of one query's ranking, best first."""
        rows = ranked.items[query][ranked.items[query] >= 0]
        ids, titles = texts(pick(self.item_ids, rows)), texts(pick(self.titles, rows))
        scores = ranked.scores[query].tolist()
        return [Hit(*found) for found in zip(ids, titles, scores, strict=False)]


def open_bundle(pinned: Pinned, lists: str = "", threads: int = 1) -> Bundle:
    """Open a bundle for serving, and refuse it unless all its parts belong together.

    Every file is checked against its sha256 before it is opened: FAISS reads flipped bits and
    trailing rubbish without complaint. lists: memory or disk, where the inverted lists are kept;
    empty: as NIGHTSHELF_LISTS says, else memory. threads: of the encoder; FAISS takes as many as
    OMP_NUM_THREADS says.

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
    bundle = Bundle(pinned, encoder, **parts(pinned, lists))
    check_vectors(pinned, "queries", encoder)
    return bundle
