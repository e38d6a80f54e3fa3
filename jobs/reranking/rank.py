"""Ranker and bundle -> rankings: the first stage, reranked.

python -m jobs reranked --ranker ranker/ds=2026-02-07/kind=trees --beside ranker/ds=2026-02-07/kind=neural \\
    --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --queries queries/ds=2026-01-31 --qrels qrels/ds=2026-01-31 \\
    --items items/ds=2026-01-31 --rankings rankings/ds=2026-02-07/space=<ranker_id>

The command `report` judges them. Arm `reranked` is what Bundle.search returns with the ranker, and its champion the ranker
in service, or the plain list where none serves: a ranker must be better than none. All other arms are uncut.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Ge

from jobs.bundle.latency import RERANK_P99, rerank_ms
from jobs.bundle.reader import RERANKED, Bundle
from jobs.bundle.reranker import Reranker, open_reranker
from jobs.bundle.torch_reader import load_bundle
from jobs.datasets.judgements import judged_queries, without_leaks
from jobs.evaluation.index_health import catalogue_health, recall
from jobs.evaluation.training_exposure import trained_queries
from jobs.lake.alias import has_alias, pin_alias
from jobs.lake.arrow import strings
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import Alias, CommandArgs, OneOf
from jobs.platform.tracking import mlflow_run
from jobs.platform.trec import rows_of, write_trec
from jobs.reranking.seen_days import refuse_seen
from models.fusion.ranked_lists import Ranked, first, stacked, trec_order
from models.reranking.features import FEATURES
from models.reranking.numbers import NUMBERS, STATIC_SCORE

log = logging.getLogger(__name__)
MOST_MS = 20.0  # p99, of each query's fastest round, of re-ranking one list on one core that a service can bear
CHAMPION = "reranking/champion"


class Args(CommandArgs):
    """ranker    ranker to judge
    index     bundle whose first stage it puts into order
    queries   texts of the queries
    qrels     judgements; the queries ranked are those judged in `split`
    items     catalogue; the index must hold all of it
    rankings  output; its space is the ranker's `ranker_id`
    beside    another ranker, as an arm beside it
    alias     alias that the ranker may be promoted to
    split     test, or dev while settings are still being chosen
    depth     items kept per query
    """

    ranker: Partition
    index: Partition
    queries: Partition
    qrels: Partition
    items: Partition
    rankings: Partition
    beside: Partition = NOWHERE
    alias: Alias = CHAMPION
    split: Annotated[str, OneOf("train", "dev", "test")] = "test"
    depth: Annotated[int, Ge(100)] = 100


def main(args: Args) -> dict[str, Any]:
    """Rank the judged queries by every arm, and time the ranker."""
    ranker, index, queries, qrels, items = map(pin, (args.ranker, args.index, args.queries, args.qrels, args.items))
    beside = pin(args.beside) if args.beside else None
    _check(args, ranker, index, qrels)
    serving = pin_alias(args.alias) if has_alias(args.alias) else None
    optional = [pinned for pinned in (beside, serving) if pinned is not None]
    inputs = [ranker, index, queries, qrels, items, *optional]
    with mlflow_run("reranked", args, inputs) as tracked, publish(args.rankings, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        judged, leaked = _judged(args, index, queries, qrels)
        texts = strings(judged, "query")
        whole = load_bundle(index)
        bundle, reranker, champion = whole.as_served(), open_reranker(ranker), _champion(serving, index)
        rerankers = [reranker, *([open_reranker(beside)] if beside else [])]
        arms = arms_of(bundle, texts, args.depth, rerankers) | champion_arms(bundle, texts, args.depth, champion)
        _write(out, arms, strings(judged, "query_id"), bundle)
        out.facts.update(catalogue_health(whole, items), **recall(whole, texts, []))
        out.facts.update(arms=list(arms), queries=len(texts), leaked_queries=leaked, seen_queries=0, runs={})
        out.facts.update(alias=args.alias, space_id=ranker.facts["ranker_id"], split=args.split, depth=args.depth)
        read = {pinned.facts["kind"]: pinned.facts["importances"] for pinned in (ranker, beside) if pinned}
        out.facts.update(promotes=asdict(ranker.source), importances=read)
        out.facts.update(_latency(bundle, reranker, champion, serving, texts))
        tracked.measures(out.facts["latency_ms"])
    return {"rankings": str(args.rankings), "arms": list(arms), "queries": len(texts), **out.facts["latency_ms"]}


def _check(args: Args, ranker: Pinned, index: Pinned, qrels: Pinned) -> None:
    if ranker.facts["ranker_id"] != args.rankings.values["space"]:
        raise ValueError(f"{args.rankings}: expected space={ranker.facts['ranker_id']}, the ranker_id of {args.ranker}")
    if judged_days := qrels.facts.get("window"):
        refuse_seen(index, judged_days["days_read"][0], f"the judged days of {args.qrels}")


def _judged(args: Args, index: Pinned, queries: Pinned, qrels: Pinned) -> tuple[pa.Table, int]:
    """The judged queries that neither towers nor rankers were trained on, in order of id, and how many were left out."""
    rows = judged_queries(queries, qrels, args.split)
    if args.split == "train":
        return rows, 0
    kept, leaked = without_leaks(rows, trained_queries(index, queries))
    if not kept.num_rows:
        raise LookupError(f"{qrels.partition}: all {leaked:,} queries of split {args.split} are in training")
    return kept.sort_by("query_id"), leaked


def _champion(serving: Pinned | None, index: Pinned) -> Reranker | None:
    """The ranker in service; None where none serves, or where it is of other towers or features and so ranks nothing here."""
    if serving is None:
        return None
    if tuple(serving.facts["features"]) != FEATURES:
        log.warning("%s: reads other features than this code makes; compared with the plain list", serving.partition)
        return None
    if serving.facts["space_id"] != index.partition.values["space"]:
        log.warning("%s: of other towers than %s; compared with the plain list", serving.partition, index.partition)
        return None
    return open_reranker(serving)


def arms_of(bundle: Bundle, texts: Sequence[str], depth: int, rerankers: Sequence[Reranker]) -> dict[str, Ranked]:
    """Arms reranked (of the first ranker, cut as served), one by each ranker's kind, static, hybrid, dense and sparse."""
    judged = rerankers[0]
    judged.fits(bundle)
    arms = {"reranked": bundle.reranked(texts, judged, cut=True)}
    arms |= {reranker.kind: first(bundle.reranked(texts, reranker), depth) for reranker in rerankers}
    arms["static"] = first(stacked([_static(bundle, text) for text in texts]), depth)
    return arms | bundle.rank(texts, depth, RERANKED)


def _static(bundle: Bundle, query: str) -> Ranked:
    """The first stage's items by their static score; of equals, as where no score was learnt, the order stays."""
    rows = bundle.first_stage(query).listed.rows
    score = np.nan_to_num(np.asarray(bundle.item_arrays.numbers[rows, NUMBERS.index(STATIC_SCORE)], np.float64))
    order = np.argsort(-score, kind="stable")
    return trec_order(rows[order][None], -np.arange(len(rows), dtype=np.float32)[None])


def champion_arms(bundle: Bundle, texts: Sequence[str], depth: int, champion: Reranker | None) -> dict[str, Ranked]:
    """Arms champion_reranked and champion_dense: the ranker in service, or the plain list, on the same bundle."""
    served = bundle.served(texts) if champion is None else bundle.reranked(texts, champion, cut=True)
    return {"champion_reranked": served, "champion_dense": bundle.rank(texts, depth, RERANKED)["dense"]}


def _latency(
    bundle: Bundle, reranker: Reranker, champion: Reranker | None, serving: Pinned | None, texts: Sequence[str]
) -> dict[str, Any]:
    """Facts latency_ms and champion; without a ranker in service there is no time to compare with."""
    ours, *theirs = rerank_ms(bundle, [reranker, *([champion] if champion else [])], texts)
    if ours[RERANK_P99] > MOST_MS:
        log.warning("%s: re-ranking takes %.1f ms (p99), expected at most %g", reranker.name, ours[RERANK_P99], MOST_MS)
    compared: Mapping[str, Any] = {
        "index": str(serving.partition) if serving else bundle.name,
        "manifest_sha256": serving.manifest_sha256 if serving else "",
        "items": int(bundle.index.ntotal),
        "space_id": str(bundle.facts["space_id"]),
        "bytes_per_item": 0.0,
        "latency_ms": theirs[0] if theirs else {},
    }
    return {"latency_ms": ours, "champion": compared}


def _write(out: Attempt, arms: dict[str, Ranked], query_ids: list[str], bundle: Bundle) -> None:
    tables = [rows_of(arm, query_ids, ranked, bundle.item_ids) for arm, ranked in arms.items()]
    out.write_table(pa.concat_tables(tables), "rankings.parquet")
    for arm, table in zip(arms, tables, strict=True):
        write_trec(table, out.folder / f"{arm}.trec")
    out.count("queries", len(query_ids), len(query_ids), {})
