"""Embeddings -> a chosen and trained index without items.

python -m jobs trained_index --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --queries queries/ds=2026-01-31 \\
    --trained_index trained_index/ds=2026-01-31/space=7f3a5c1e9b2d4a60

With --previous, that of an earlier day is kept while its figures hold over today's vectors: codes of items that
did not change then stay what they are. Otherwise families are tuned and one is trained anew.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import Any

from jobs.embeddings.read_shards import pin_shards
from jobs.index.settings import IndexSettings
from jobs.index.trained_index import KEPT_FIGURES, TrainedIndex, learn
from jobs.index.tuning_sample import Lesson
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.tracking import mlflow_run
from models.ann.drift import aged, figures

log = logging.getLogger(__name__)


class Args(IndexSettings):
    """embeddings     first shard (0ofN); its siblings are read too
    towers         the towers that made them: they encode the queries
    queries        real queries for tuning, of split dev where there are some
    trained_index  output
    qrels          judgements; R@60 and RR@60 of each candidate are reported with them
    previous       trained_index of an earlier day in the same space
    """

    embeddings: Partition
    towers: Partition
    queries: Partition
    trained_index: Partition
    qrels: Partition = NOWHERE
    previous: Partition = NOWHERE

    def __post_init__(self) -> None:
        if self.previous and self.previous.values["space"] != self.trained_index.values["space"]:
            raise ValueError(f"previous={self.previous}: of another space than {self.trained_index}")


def main(args: Args) -> dict[str, Any]:
    """Keep the earlier trained index, or tune and train one."""
    shards = pin_shards(args.embeddings)
    towers, queries = pin(args.towers), pin(args.queries)
    previous = [pin(args.previous)] if args.previous else []
    qrels = [pin(args.qrels)] if args.qrels else []
    inputs = [*shards, towers, queries, *previous, *qrels]
    with mlflow_run("trained_index", args, inputs) as tracked, publish(args.trained_index, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        lesson = Lesson.read(args, shards, towers, queries, qrels)
        reasons = ["no earlier one in this space"]
        for one in previous:  # at most one
            reasons = _keep(args, one, lesson, out)
        if reasons:
            log.info("%s: training anew: %s", args.trained_index, "; ".join(reasons))
            learn(args, lesson, out)
            out.facts.update(decision="trained", reasons=reasons, trained_on=args.trained_index.ds)
        out.facts.update(space_id=args.trained_index.values["space"])
        chosen = out.facts["chosen"]
        tracked.measures({f"now_{name}": value for name, value in out.facts["now"].items()})
        tracked.measures({name: chosen[name] for name in ("recall", "cpu_ms", "bytes_per_item")})
        tracked.tags({"decision": out.facts["decision"], "factory": out.facts["factory"]})
    names = ("decision", "factory", "quantiser_id", "reasons")
    return {"trained_index": str(args.trained_index), **{name: out.facts[name] for name in names}}


def _keep(args: Args, previous: Pinned, lesson: Lesson, out: Attempt) -> list[str]:
    """Take over an earlier trained index if its figures hold; else say why not."""
    before = TrainedIndex.open(previous)
    if args.factory not in ("auto", before.factory):
        return [f"factory {args.factory}, was {before.factory}"]
    if args.recall_target > before.facts["recall_target"]:
        return [f"recall_target {args.recall_target}, was {before.facts['recall_target']}"]
    exam = lesson.exam_of(before.canaries)
    now, _ = figures(before.trained, before.factory, lesson.vectors, exam, before.canary_settings, lesson.items)
    reasons = aged(now, before.then, args.limits)
    if not reasons:
        before.copy(out.folder)
        kept = {name: before.facts[name] for name in KEPT_FIGURES}
        out.facts.update(kept, decision="kept", reasons=[], now=asdict(now))
        log.info("%s: kept that of %s: %s", args.trained_index, kept["trained_on"], json.dumps(asdict(now)))
    return reasons
