"""Held-out sessions -> ranked lists of each arm.

python -m jobs neighbour_rankings --recommendations recommendations/ds=2026-01-31 \\
    --item_neighbours item_neighbours/ds=2026-01-31/method=hybrid --items items/ds=2026-01-31 \\
    --holdout_sessions holdout_sessions/ds=2026-01-31 --holdout_queries holdout_queries/ds=2026-01-31 \\
    --holdout_qrels holdout_qrels/ds=2026-01-31 --rankings rankings/ds=2026-01-31/space=<lists_id>

The command `report` judges them: the last item of a session is relevant. Arm `served` is what a service shows beside the
item before it, and `champion_served` the same of the bundle in service. All other arms are lists of `item_neighbours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.bundle.latency import lists_ms
from jobs.bundle.recommendations import Recommendations, open_recommendations
from jobs.lake.alias import has_alias, pin_alias
from jobs.lake.arrow import find, large, pick, strings, table_of, texts
from jobs.lake.attempt import Attempt
from jobs.lake.manifest import ARM_LISTS
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import Alias, CommandArgs
from jobs.platform.tracking import mlflow_run
from jobs.platform.trec import write_trec
from jobs.recommendations.judge_lists import sources

CHAMPION = "recommendations/champion"
DEPTH = 100  # of the measures


class Args(CommandArgs):
    """recommendations   bundle to judge
    item_neighbours   neighbours that it was made of, with the lists of every arm for the sessions that judge
    items             catalogue: titles and categories of items that a bundle does not have
    holdout_sessions  sessions that judge, those of split test
    holdout_queries   the same as queries
    holdout_qrels     the same as judgements
    rankings          output; its space is the bundle's `lists_id`
    alias             alias that the bundle may be promoted to: a room and a name
    """

    recommendations: Partition
    item_neighbours: Partition
    items: Partition
    holdout_sessions: Partition
    holdout_queries: Partition
    holdout_qrels: Partition
    rankings: Partition
    alias: Alias = CHAMPION


def main(args: Args) -> dict[str, Any]:
    """List what each arm shows in every session that judges, and time the bundle beside the champion."""
    bundle, neighbours, items = (pin(at) for at in (args.recommendations, args.item_neighbours, args.items))
    sessions, queries, qrels = (pin(at) for at in (args.holdout_sessions, args.holdout_queries, args.holdout_qrels))
    _check(args, bundle, neighbours, sessions)
    serving = pin_alias(args.alias) if has_alias(args.alias) else None
    inputs = [bundle, neighbours, items, sessions, queries, qrels, *([serving] if serving else [])]
    with mlflow_run("neighbour_rankings", args, inputs) as tracked, publish(args.rankings, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        asked = _asked(sessions, items, int(neighbours.facts["judged_sessions"]))
        lists = open_recommendations(bundle)
        champion = open_recommendations(serving) if serving else None
        arms = {"served": _served(lists, asked), **_arm_lists(neighbours)}
        arms |= {"champion_served": _served(champion, asked)} if champion else {}
        _write(out, arms, asked)
        known = strings(read_table(items, ["item_id"]), "item_id")
        out.facts.update(arms=list(arms), queries=asked.num_rows, leaked_queries=0, seen_queries=0, runs={})
        out.facts.update(alias=args.alias, space_id=bundle.facts["lists_id"], split="test", depth=DEPTH)
        out.facts.update(items=len(known), indexed=len(lists.item_ids), promotes=asdict(bundle.source))
        out.facts.update(lost_items=int((find(known, lists.item_ids) < 0).sum()), coverage=bundle.facts["coverage"])
        out.facts.update(_latency(lists, champion, asked))
        tracked.measures(out.facts["latency_ms"])
    return {"rankings": str(args.rankings), "arms": list(arms), "queries": asked.num_rows}


def _check(args: Args, bundle: Pinned, neighbours: Pinned, sessions: Pinned) -> None:
    """Refuse a bundle of other neighbours, and neighbours that these sessions did not judge.

    Raises:
        ValueError: names what does not belong together.
    """
    if bundle.facts["lists_id"] != args.rankings.values["space"]:
        raise ValueError(
            f"{args.rankings}: expected space={bundle.facts['lists_id']}, the lists_id of {bundle.partition}"
        )
    for made, of in ((bundle, neighbours), (neighbours, sessions)):
        if of.source not in made.manifest.inputs:
            raise ValueError(f"{made.partition}: not made with the present version of {of.partition}; make it again")
    if not neighbours.entries(ARM_LISTS):
        raise ValueError(f"{neighbours.partition}: no session of split test judged it; expected one at least")


def _asked(sessions: Pinned, items: Pinned, most: int) -> pa.Table:
    """Sessions as rows query_id, source, title, category; an item that has left the catalogue has no words."""
    rows = sources(sessions, "test", most)
    known = read_table(items, ["item_id", "title", "category"])
    at = find(strings(rows, "source"), large(known.column("item_id").chunks))
    for name in ("title", "category"):
        words = texts(pick(large(known.column(name).chunks), np.maximum(at, 0)))
        there = [word if row >= 0 else "" for word, row in zip(words, at.tolist(), strict=True)]
        rows = rows.append_column(name, pa.array(there, pa.string()))
    return rows


def _served(lists: Recommendations, asked: pa.Table) -> pa.Table:
    """What a service shows beside each item that is asked for: source, item_id, rank, score."""
    once = asked.select(["source", "title", "category"]).group_by(["source", "title", "category"]).aggregate([])
    columns = [strings(once, name) for name in ("source", "title", "category")]
    shown = [lists.beside(item, title, category, DEPTH) for item, title, category in zip(*columns, strict=True)]
    lengths = [len(hits) for hits in shown]
    return table_of(
        {
            "source": np.repeat(np.array(columns[0], np.str_), lengths),
            "item_id": [hit.item_id for hits in shown for hit in hits],
            "rank": np.concatenate([np.arange(1, length + 1) for length in lengths]).astype(np.int32),
            "score": [float(hit.score) for hits in shown for hit in hits],
        }
    )


def _arm_lists(neighbours: Pinned) -> dict[str, pa.Table]:
    """The lists of each arm of `item_neighbours`, by the arm's name."""
    tables = [pq.read_table(neighbours.path(entry.name)) for entry in neighbours.entries(ARM_LISTS)]
    return {table.column("arm")[0].as_py(): table.drop_columns(["arm"]) for table in tables}


def _write(out: Attempt, arms: Mapping[str, pa.Table], asked: pa.Table) -> None:
    """Write the lists of each arm for every session, in order of query_id and rank."""
    sessions, tables = asked.select(["query_id", "source"]), []
    for arm, lists in arms.items():
        rows = lists.join(sessions, "source", join_type="inner").sort_by(
            [("query_id", "ascending"), ("rank", "ascending")]
        )
        columns = {name: rows.column(name) for name in ("query_id", "item_id", "rank", "score")}
        tables.append(table_of({"arm": pa.repeat(arm, rows.num_rows), **columns}))
        write_trec(tables[-1], out.folder / f"{arm}.trec")
    out.write_table(pa.concat_tables(tables), "rankings.parquet")
    out.count("sessions", asked.num_rows, asked.num_rows, {})


def _latency(lists: Recommendations, champion: Recommendations | None, asked: pa.Table) -> dict[str, Any]:
    """Facts latency_ms, of looking up a list, and `champion`: its names and latency_ms, or {}."""
    words = list(zip(*(strings(asked, name) for name in ("source", "title", "category")), strict=True))
    ours, *theirs = lists_ms([lists, *([champion] if champion else [])], words)
    if champion is None:
        return {"latency_ms": ours, "champion": {}}
    pinned, facts = champion.pinned, champion.pinned.facts
    compared = {
        "index": str(pinned.partition),
        "manifest_sha256": pinned.manifest_sha256,
        "items": facts["items"],
        # a bundle of older code has neither
        "space_id": facts.get("lists_id", ""),
        "bytes_per_item": facts.get("bytes_per_item", 0.0),
    }
    return {"latency_ms": ours, "champion": {**compared, "latency_ms": theirs[0]}}
