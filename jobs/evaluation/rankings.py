"""Bundle and judged queries -> the ranked lists of each arm.

python -m jobs rankings --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 \\
    --queries queries/ds=2026-01-31 --qrels qrels/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --rankings rankings/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated, Any

import pyarrow as pa
from annotated_types import Ge

from jobs.bundle.reader import Bundle
from jobs.bundle.torch_reader import load_bundle
from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import judged_in, judged_queries, relevance_scale, seen_queries, without_leaks
from jobs.embeddings.read_shards import exact_rankings, pin_shards
from jobs.evaluation.arms import Arm, DenseLists, bundle_arms, champion_arms, external_arms
from jobs.evaluation.index_health import catalogue_health, in_service, latency_facts, recall
from jobs.evaluation.training_exposure import trained_queries
from jobs.ingest.external_runs import read_runs
from jobs.lake.alias import CHAMPION
from jobs.lake.arrow import strings
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import Alias, CommandArgs, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.tracking import mlflow_run
from jobs.platform.trec import rows_of, write_trec
from models.fusion.ranked_lists import first
from models.text.normalise import normalise_query
from models.towers.encode import encode_queries

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """index          bundle to evaluate
    queries        texts of the queries
    qrels          judgements; the queries ranked are those judged in `split`
    items          catalogue; the index must hold all of it
    rankings       output
    embeddings     first shard of the index's own vectors: recall is measured against exact search in them;
                   empty: against an exhaustive search of the index
    baseline       first shard of the embeddings of step in_batch, for arm dense_in_batch
    champion       index in service: it ranks the same queries, as arms champion_*
    alias          alias that the index may be promoted to: a room and a name
    external_runs  rankings of other engines: each file is an arm run_<name>; where it also answers dev queries,
                   hybrid_run_<name> fuses it with dense, with weights fitted on those
    split          test, or dev while settings are still being chosen
    train_queries  judged queries of split train ranked in addition, at most: they show what towers do on queries
                   they were trained on
    depth          items kept per query
    pool           items of each arm that are fused into hybrid
    min_relevance  relevance from which an item counts where runs are fused; 0: as the judgements' own scale says
    """

    index: Partition
    queries: Partition
    qrels: Partition
    items: Partition
    rankings: Partition
    embeddings: Partition = NOWHERE
    baseline: Partition = NOWHERE
    champion: Partition = NOWHERE
    alias: Alias = CHAMPION
    external_runs: Partition = NOWHERE
    split: Annotated[str, OneOf("train", "dev", "test")] = "test"
    train_queries: NonNegativeInt = 500
    depth: Annotated[int, Ge(100)] = 100
    pool: PositiveInt = 200
    min_relevance: float = 0.0

    def __post_init__(self) -> None:
        if self.depth > self.pool:
            raise ValueError(f"depth={self.depth}, pool={self.pool}: expected depth <= pool")


def main(args: Args) -> dict[str, Any]:
    """Rank the judged queries by every arm, and measure the index on the way."""
    index, queries, qrels, items = map(pin, (args.index, args.queries, args.qrels, args.items))
    served = in_service(args.alias, args.champion) if args.champion else None
    runs = pin(args.external_runs) if args.external_runs else None
    shards = pin_shards(args.embeddings) if args.embeddings else []
    baseline = pin_shards(args.baseline) if args.baseline else []
    optional = [pinned for pinned in (served, runs) if pinned is not None]
    inputs = [index, queries, qrels, items, *shards, *baseline, *optional]
    with mlflow_run("rankings", args, inputs) as tracked, publish(args.rankings, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        judged = _judged_queries(args, index, queries, qrels, out)
        texts = strings(judged, "query")
        bundle, champion = load_bundle(index), load_bundle(served) if served else None
        ranked = bundle_arms(bundle, texts, args.pool)
        # a served list ends where the bundle ends it
        arms: dict[str, Arm] = {
            name: (lists if name == "served" else first(lists, args.depth), bundle.item_ids)
            for name, lists in ranked.items()
        }
        arms |= champion_arms(champion, texts, args.depth, args.pool)
        if baseline:
            arms["dense_in_batch"] = _baseline(baseline, texts, args.depth)
        lists = DenseLists(judged, ranked["dense"])
        arms |= _external_arms(runs, bundle, lists, (queries, qrels), args, out)
        _write(out, arms, strings(judged, "query_id"))
        out.facts.update(catalogue_health(bundle, items), arms=list(arms), queries=len(texts))
        out.facts.update(recall(bundle, texts, shards))
        out.facts.update(latency_facts(bundle, champion, texts))
        out.facts.update(alias=args.alias, space_id=bundle.facts["space_id"], split=args.split)
        out.facts.update(depth=args.depth, pool=args.pool)
        figures = ("index_recall", "own_vector_frac", "lost_items")
        tracked.measures({name: out.facts[name] for name in figures} | out.facts["latency_ms"])
    return {"rankings": str(args.rankings), "arms": list(arms), "queries": len(texts)}


def _judged_queries(args: Args, index: Pinned, queries: Pinned, qrels: Pinned, out: Attempt) -> pa.Table:
    """The judged queries that training did not see, and some that it did, in order of id."""
    judged, leaked = judged_queries(queries, qrels, args.split), 0
    if args.split != "train":
        judged, leaked = without_leaks(judged, trained_queries(index, queries))
    if not judged.num_rows:
        raise LookupError(
            f"{qrels.partition}: all {leaked:,} queries of split {args.split} are in training under another"
            " spelling; expected at least one that is not"
        )
    seen = seen_queries(queries, qrels, args.train_queries if args.split == "test" else 0)
    out.facts.update(leaked_queries=leaked, seen_queries=seen.num_rows)
    return pa.concat_tables([judged, seen]).sort_by("query_id")


def _external_arms(
    runs: Pinned | None, bundle: Bundle, judged: DenseLists, tables: tuple[Pinned, Pinned], args: Args, out: Attempt
) -> dict[str, Arm]:
    """Arms of other engines; each is fused with dense, but never judged on the queries that its fusion is fitted on."""
    queries, qrels = tables
    out.facts["runs"] = {}
    delivered = read_runs(runs) if runs is not None else {}
    dev = None
    if delivered and args.split != "dev" and judged_in(qrels, "dev"):
        rows = judged_queries(queries, qrels, "dev")
        vectors = bundle.encode([normalise_query(text) for text in strings(rows, "query")])
        dev = DenseLists(rows, bundle.dense(vectors, args.pool))
    min_relevance = relevance_scale(qrels, args.min_relevance)[0]
    arms: dict[str, Arm] = {}
    for stem, rows in delivered.items():
        own, out.facts["runs"][stem] = external_arms(stem, rows, bundle, judged, dev, qrels, min_relevance, args.depth)
        arms |= own
    return arms


def _baseline(shards: list[Pinned], texts: Sequence[str], depth: int) -> Arm:
    """Rank by other embeddings, exactly, with the towers that made them."""
    source = next(source for source in shards[0].manifest.inputs if source.partition.startswith("towers/"))
    towers = load_towers(pin(Partition.parse(source.partition), attempt=source.attempt))
    exact = exact_rankings(shards, encode_queries(towers, [normalise_query(text) for text in texts]), depth)
    return exact.ranked, exact.ids


def _write(out: Attempt, arms: dict[str, Arm], query_ids: list[str]) -> None:
    tables = [rows_of(arm, query_ids, ranked, ids) for arm, (ranked, ids) in arms.items()]
    out.write_table(pa.concat_tables(tables), "rankings.parquet")
    for arm, table in zip(arms, tables, strict=True):
        write_trec(table, out.folder / f"{arm}.trec")
    out.count("queries", len(query_ids), len(query_ids), {})
