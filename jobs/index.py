"""Embeddings -> the bundle: a tuned FAISS index, the sparse index, ids, towers and facts, as one.

python -m jobs.index --embeddings embeddings/ds=2026-01-31/towers=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --index index/ds=2026-01-31/towers=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import bundle_files as files
from jobs.attempt import Attempt
from jobs.cli import run
from jobs.columns import strings
from jobs.lake import NOWHERE, Partition
from jobs.publish import publish
from jobs.query_tower import write_query_tower
from jobs.reading import Pinned, pin, read_table
from jobs.scale import scale
from jobs.tracking import mlflow_run
from jobs.tuning import POOL, fit_on, relevant_keys, tuning_queries
from jobs.vectors import pin_shards, read_vectors
from jobs.weights import load_towers
from models import index as faiss_index
from models.analysis import LANGUAGES, guess_language
from models.cutoff import KINDS, Cutoff
from models.encode import encode_queries
from models.fusion import Ranked, Vote
from models.index import Vectors
from models.space import items_space, space_id
from models.sparse import SparseIndex, build_sparse
from models.towers import TwoTower

log = logging.getLogger(__name__)
CANARIES = 64


@dataclass(frozen=True)
class Args:
    """embeddings      first shard (0ofN); its siblings are read too
    towers          the towers that made them
    items           catalogue snapshot: titles, and texts for the sparse arm
    queries         real queries: nprobe is tuned on those of split dev
    index           output: the bundle
    qrels           optional judgements of dev queries: the weights of the arms in hybrid are fitted
                    on them, and the cut-off threshold
    factory         FAISS factory string; auto chooses by size
    recall_target   overlap with exact search that nprobe must hold; a point above what the gate
                    wants, for the gate measures it on other queries
    recall_depth    first neighbours in which the overlap is taken
    tuning_queries  dev queries used for tuning
    cutoff          where neighbour lists end: knee, threshold (needs qrels) or none
    min_relevance   relevance from which a judged item counts; 0: as the judgements' own scale says
    language        language of the sparse arm's stemmer: none, en, pl, or auto by the texts
    seed            of the training sample and of k-means
    """

    embeddings: Partition
    towers: Partition
    items: Partition
    queries: Partition
    index: Partition
    qrels: Partition = NOWHERE
    factory: str = "auto"
    recall_target: float = 0.96
    recall_depth: int = 100
    tuning_queries: int = 1000
    cutoff: str = "knee"
    min_relevance: float = 0.0
    language: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall_target <= 1 or self.recall_depth < 1 or self.tuning_queries < 1:
            raise ValueError("recall_target must be in (0, 1], recall_depth and tuning_queries > 0")
        if self.cutoff not in KINDS or (self.cutoff == "threshold" and not self.qrels):
            raise ValueError(f"cutoff is one of {', '.join(KINDS)}, and threshold needs qrels")
        if self.language not in (*LANGUAGES, "auto"):
            raise ValueError(f"language={self.language}: expected auto, {', '.join(LANGUAGES)}")


def main(args: Args) -> dict[str, Any]:
    """Build, tune, check and publish the bundle."""
    shards = pin_shards(args.embeddings)
    towers_in, items, queries = pin(args.towers), pin(args.items), pin(args.queries)
    qrels = [pin(args.qrels)] if args.qrels else []
    inputs = [*shards, towers_in, items, queries, *qrels]
    with mlflow_run("index", args, inputs) as tracked:
        with publish(args.index, args, inputs) as out:
            out.mlflow_run_id = tracked.id
            towers = _towers(args, towers_in)
            ids, vectors = read_vectors(shards)
            faiss_index.check_vectors(vectors, ids)
            files.copy_towers(towers_in, out.folder)
            asked = tuning_queries(queries, args.tuning_queries)
            write_query_tower(towers, out.folder, strings(asked, "query"))
            sparse = _write_catalogue(args, items, ids, out)
            found, facts = _build(args, towers, asked, vectors, out)
            out.facts.update(facts, cutoff=asdict(Cutoff(args.cutoff)), fusion=Vote()._asdict())
            for one in qrels:  # at most one
                relevant = relevant_keys(one, scale(one, args.min_relevance)[0], asked, ids)
                both = found, sparse.search(strings(asked, "query"), POOL)
                out.facts.update(fit_on(relevant, *both, len(ids), args.cutoff))
            files.write_json(out.facts, out.folder / files.FACTS_FILE)
            out.count("items", items.manifest.rows, len(ids), {})
        tracked.measures({name: out.facts[name] for name in ("recall", "nprobe", "items")})
        if out.manifest is not None:
            tracked.output({entry.name: entry.sha256 for entry in out.manifest.files}, out.uri)
    shown = ("factory", "nprobe", "recall", "items")
    return {"index": str(args.index), **{name: out.facts[name] for name in shown}}


def _towers(args: Args, towers_in: Pinned) -> TwoTower:
    towers = load_towers(towers_in)
    found, embedded = space_id(towers), args.embeddings.values["towers"]
    # a refreshed query tower keeps the embeddings of the towers it came from
    if embedded not in (found, items_space(towers)) or found != args.index.values["towers"]:
        raise ValueError(
            f"{args.index}: {args.towers} has space id {found}, {args.embeddings} is of another or"
            " goes to another; queries and items must meet in one space"
        )
    return towers


def _write_catalogue(args: Args, items: Pinned, ids: list[str], out: Attempt) -> SparseIndex:
    """Write ids with titles, the sparse index and the canaries, all in the order of ids."""
    rows = read_table(items, ["item_id", "title", "text"]).sort_by("item_id")
    known, texts = strings(rows, "item_id"), strings(rows, "text")
    if known != ids:
        raise RuntimeError(
            f"{args.embeddings}: {len(ids):,} vectors for {len(known):,} items of {args.items},"
            f" {len(set(known) ^ set(ids)):,} only on one side; embed this catalogue first"
        )
    files.write_ids(ids, strings(rows, "title"), out.folder)
    language = guess_language(texts) if args.language == "auto" else args.language
    sparse = build_sparse(texts, language)
    files.write_sparse(sparse, out.folder)
    out.facts["language"] = language
    chosen = np.random.default_rng(args.seed).choice(len(ids), min(CANARIES, len(ids)), False)
    canaries = {ids[row]: texts[row] for row in sorted(chosen.tolist())}
    files.write_json(canaries, out.folder / files.CANARIES_FILE)
    return sparse


def _build(
    args: Args, towers: TwoTower, asked: pa.Table, vectors: Vectors, out: Attempt
) -> tuple[Ranked, dict[str, Any]]:
    """Build, tune and write the index; returns what it finds for the tuning queries, and facts."""
    n_items, dim = vectors.shape
    depth = min(args.recall_depth, n_items)
    factory = faiss_index.factory_for(n_items, dim) if args.factory == "auto" else args.factory
    log.info("%s: %s over %s vectors of %s", args.index, factory, f"{n_items:,}", dim)
    built = faiss_index.build(vectors, factory, args.seed)
    wanted = encode_queries(towers, strings(asked, "query"))
    exact = faiss_index.exact_search(faiss_index.chunked(vectors), wanted, depth)
    tuned = faiss_index.tune(built, wanted, exact.items, args.recall_target)
    if tuned.recall < args.recall_target:
        log.warning(
            "%s: recall %.4f with every list visited; use larger codes", args.index, tuned.recall
        )
    files.write_index(built, out.folder / files.INDEX_FILE)
    return faiss_index.search(built, wanted, POOL), {
        "format": files.BUNDLE_FORMAT,
        "space_id": args.index.values["towers"],
        "dim": dim,
        "items": n_items,
        "factory": factory,
        "nprobe": tuned.nprobe,
        "recall": tuned.recall,
        "recall_depth": depth,
        "recall_target": args.recall_target,
        "tuning_queries": len(wanted),
        "curve": tuned.curve,
    }


if __name__ == "__main__":
    run(Args, main)
