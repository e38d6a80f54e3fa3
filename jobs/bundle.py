"""The bundle as an online service loads it: verified files in, ranked items out.

No Spark, no Airflow, no MLflow behind this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq

from jobs.bundle_files import (
    BUNDLE_FORMAT,
    DATA_FILE,
    FACTS_FILE,
    IDS_FILE,
    INDEX_FILE,
    read_index,
    read_sparse,
)
from jobs.columns import Strings, find, pick, texts
from jobs.reading import Pinned
from jobs.weights import check_golden, load_towers
from models.cutoff import Cutoff
from models.encode import encode_items, encode_queries
from models.fusion import Ranked, Vote, reciprocal_rank_fusion, trec_order
from models.index import Vectors, inverted_lists, search
from models.normalise import normalise_query
from models.space import space_id
from models.sparse import SparseIndex
from models.towers import TwoTower

# A byte per dimension keeps the cosine of a stored vector above 0.999; another item's is far below.
LEAST_OWN_COSINE = 0.98


@dataclass(frozen=True)
class Hit:
    """One item of an answer; score in the unit of its arm."""

    item_id: str
    title: str
    score: float


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. item_ids and titles stand in row order of the index."""

    name: str
    towers: TwoTower
    index: faiss.Index
    item_ids: Strings
    titles: Strings
    sparse: SparseIndex
    cutoff: Cutoff
    facts: Mapping[str, Any]

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Turn typed queries into unit vectors [Q, D]."""
        return encode_queries(self.towers, queries)

    def dense(self, vectors: Vectors, depth: int, nprobe: int = 0) -> Ranked:
        """Rank by cosine similarity; nprobe 0 takes the tuned one."""
        found = search(self.index, vectors, depth, nprobe)
        return trec_order(found.items, found.scores)

    def lexical(self, queries: Sequence[str], depth: int) -> Ranked:
        """Rank by shared words."""
        return self.sparse.search([normalise_query(text) for text in queries], depth)

    def rank(self, queries: Sequence[str], depth: int, pool: int = 200) -> dict[str, Ranked]:
        """Rank items by every arm: dense, sparse, and hybrid, which fuses `pool` items of each."""
        wide = max(depth, pool)
        dense, sparse = self.dense(self.encode(queries), wide), self.lexical(queries, wide)
        vote = Vote(**self.facts["fusion"])
        both, weights = (dense.items, sparse.items), (vote.dense, vote.sparse)
        hybrid = reciprocal_rank_fusion(both, depth, vote.k, weights)
        return {"dense": first(dense, depth), "sparse": first(sparse, depth), "hybrid": hybrid}

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


def first(ranked: Ranked, depth: int) -> Ranked:
    """Keep the first `depth` places."""
    return Ranked(ranked.items[:, :depth], ranked.scores[:, :depth])


def load_bundle(pinned: Pinned) -> Bundle:
    """Load a bundle, and refuse it unless all its parts belong together.

    Every file is checked against its sha256 before it is opened: FAISS reads flipped bits and
    trailing rubbish without complaint.

    Raises:
        RuntimeError: a file is damaged, or towers, index, ids and facts do not fit each other.
    """
    facts = json.loads(pinned.path(FACTS_FILE).read_bytes())
    if facts.get("format") != BUNDLE_FORMAT:
        raise RuntimeError(
            f"{pinned.partition}: bundle format {facts.get('format')}, this code reads"
            f" {BUNDLE_FORMAT}; build the index again with this code"
        )
    ids = pq.read_table(pinned.path(IDS_FILE), columns=["item_id", "title"])
    towers = load_towers(pinned)
    bundle = Bundle(
        name=str(pinned.partition),
        towers=towers,
        index=read_index(_index_path(pinned)),
        item_ids=ids.column("item_id").combine_chunks(),
        titles=ids.column("title").combine_chunks(),
        sparse=read_sparse(pinned),
        cutoff=Cutoff(**facts["cutoff"]),
        facts=facts,
    )
    _belong_together(pinned, bundle)
    check_golden(towers, pinned)
    return bundle


def _index_path(pinned: Pinned) -> Path:
    if any(entry.name == DATA_FILE for entry in pinned.manifest.files):
        pinned.path(DATA_FILE)  # checked, and fetched beside the index
    return pinned.path(INDEX_FILE)


def _belong_together(pinned: Pinned, bundle: Bundle) -> None:
    spaces = {
        "query tower": space_id(bundle.towers),
        "facts": bundle.facts["space_id"],
        "address": pinned.partition.values["towers"],
    }
    if len(set(spaces.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: space ids {spaces} differ; build the index again")
    counts = {
        "vectors": bundle.index.ntotal,
        "ids": len(bundle.item_ids),
        "sparse items": bundle.sparse.n_items,
        "items in the facts": bundle.facts["items"],
    }
    if len(set(counts.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: {counts} differ; build the index again")
    if bundle.index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise RuntimeError(f"{pinned.partition}: its index does not compare inner products")


def own_vector_frac(bundle: Bundle, item_ids: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of items whose vector in the index is that of their own text, encoded anew.

    Falls to nothing when ids are shuffled, towers swapped, or a shard stands in the wrong place.
    """
    rows = find(item_ids, bundle.item_ids)
    if (lists := inverted_lists(bundle.index)) is not None:
        lists.make_direct_map()
    fresh = encode_items(bundle.towers, list(wanted))
    stored = np.zeros_like(fresh)
    stored[rows >= 0] = bundle.index.reconstruct_batch(rows[rows >= 0])
    return float(((fresh * stored).sum(axis=1) >= LEAST_OWN_COSINE).mean())
