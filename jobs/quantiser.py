"""Embeddings and real queries -> the quantiser: which index to build, chosen and trained, still empty.

python -m jobs.quantiser --embeddings embeddings/ds=2026-01-31/towers=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --queries queries/ds=2026-01-31 \\
    --quantiser quantiser/ds=2026-01-31/towers=7f3a5c1e9b2d4a60

With --previous, that of an earlier day is kept while its figures hold over today's vectors: codes of items that
did not change then stay what they are. Otherwise families are tuned and one is trained anew.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from jobs.attempt import Attempt
from jobs.cli import run
from jobs.indexing.lesson import Lesson
from jobs.indexing.quantisers import KEPT_FIGURES, Quantiser, learn
from jobs.lake import NOWHERE, Partition
from jobs.publish import publish
from jobs.reading import Pinned, pin
from jobs.tracking import mlflow_run
from jobs.vectors import pin_shards
from models.ann.drift import Limits, aged, figures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Args:
    """embeddings      first shard (0ofN); its siblings are read too
    towers          the towers that made them: they encode the queries
    queries         real queries, of split dev where there are some: what the choice is measured with
    quantiser       output
    qrels           optional judgements: what each choice loses of R@60 and RR@60 is told too
    previous        optional quantiser of an earlier day in the same space
    factory         FAISS factory string; auto tries families by the size of the catalogue
    recall_target   overlap with exact search that a choice must hold
    recall_depth    first neighbours in which the overlap is taken
    p99_ms          bound on the 99th percentile of a query's time on one thread; 0: none
    memory_gb       bound on the whole index in memory; 0: none
    tune_items      items drawn for tuning and for the figures: bounds time and memory
    tuning_queries  queries used for tuning
    min_relevance   relevance from which a judged item counts; 0: as the judgements' own scale says
    max_growth      times that the catalogue may grow or shrink before training anew
    max_imbalance   times that the imbalance of lists may grow
    max_error       times that the quantisation error may grow
    max_recall_drop loss of recall of the canaries, pinned queries
    seed            of samples and k-means
    """

    embeddings: Partition
    towers: Partition
    queries: Partition
    quantiser: Partition
    qrels: Partition = NOWHERE
    previous: Partition = NOWHERE
    factory: str = "auto"
    recall_target: float = 0.95
    recall_depth: int = 100
    p99_ms: float = 0.0
    memory_gb: float = 0.0
    tune_items: int = 200_000
    tuning_queries: int = 1000
    min_relevance: float = 0.0
    max_growth: float = 2.0
    max_imbalance: float = 1.5
    max_error: float = 1.15
    max_recall_drop: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall_target <= 1 or self.recall_depth < 1:
            raise ValueError("recall_target must be in (0, 1] and recall_depth > 0")
        if self.tuning_queries < 1 or self.tune_items < 1000:
            raise ValueError("tuning_queries must be > 0 and tune_items 1000 or more")
        if min(self.p99_ms, self.memory_gb, self.max_recall_drop) < 0:
            raise ValueError("p99_ms, memory_gb and max_recall_drop must not be negative")
        if min(self.max_growth, self.max_imbalance, self.max_error) < 1:
            raise ValueError("max_growth, max_imbalance and max_error must be 1 or more")
        if self.previous and self.previous.values["towers"] != self.quantiser.values["towers"]:
            raise ValueError(f"previous={self.previous}: of another space than {self.quantiser}")


def main(args: Args) -> dict[str, Any]:
    """Keep the earlier quantiser, or tune and train one."""
    shards = pin_shards(args.embeddings)
    towers, queries = pin(args.towers), pin(args.queries)
    previous = [pin(args.previous)] if args.previous else []
    qrels = [pin(args.qrels)] if args.qrels else []
    inputs = [*shards, towers, queries, *previous, *qrels]
    with (
        mlflow_run("quantiser", args, inputs) as tracked,
        publish(args.quantiser, args, inputs) as out,
    ):
        out.mlflow_run_id = tracked.id
        lesson = Lesson.read(args, shards, towers, queries, qrels)
        reasons = ["no earlier one in this space"]
        for one in previous:  # at most one
            reasons = _keep(args, one, lesson, out)
        if reasons:
            log.info("%s: training anew: %s", args.quantiser, "; ".join(reasons))
            learn(args, lesson, out)
            out.facts.update(decision="trained", reasons=reasons, trained_on=args.quantiser.ds)
        out.facts.update(space_id=args.quantiser.values["towers"])
        chosen = out.facts["chosen"]
        tracked.measures({f"now_{name}": value for name, value in out.facts["now"].items()})
        tracked.measures({name: chosen[name] for name in ("recall", "cpu_ms", "bytes_per_item")})
        tracked.tags({"decision": out.facts["decision"], "factory": out.facts["factory"]})
    names = ("decision", "factory", "quantiser_id", "reasons")
    return {"quantiser": str(args.quantiser), **{name: out.facts[name] for name in names}}


def _keep(args: Args, previous: Pinned, lesson: Lesson, out: Attempt) -> list[str]:
    """Take over an earlier quantiser if its figures hold; else say why not."""
    before = Quantiser.open(previous)
    if args.factory not in ("auto", before.factory):
        return [f"factory {args.factory}, was {before.factory}"]
    if args.recall_target > before.facts["recall_target"]:
        return [f"recall_target {args.recall_target}, was {before.facts['recall_target']}"]
    exam = lesson.exam_of(before.canaries)
    now = figures(
        before.trained, before.factory, lesson.vectors, exam, before.canary_settings, lesson.items
    )
    limits = Limits(args.max_growth, args.max_imbalance, args.max_error, args.max_recall_drop)
    reasons = aged(now, before.then, limits)
    if not reasons:
        before.copy(out.folder)
        kept = {name: before.facts[name] for name in KEPT_FIGURES}
        out.facts.update(kept, decision="kept", reasons=[], now=asdict(now))
        log.info("%s: kept that of %s: %s", args.quantiser, kept["trained_on"], json.dumps(asdict(now)))  # fmt: skip
    return reasons


if __name__ == "__main__":
    run(Args, main)
