"""Embeddings -> a chosen and trained index without items.

python -m jobs trained_index --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --queries queries/ds=2026-01-31 \\
    --trained_index trained_index/ds=2026-01-31/space=7f3a5c1e9b2d4a60

With --previous, that of an earlier day is kept while its figures hold over today's vectors: codes of items that
did not change then stay what they are. Otherwise families are tuned and one is trained anew.
"""

from __future__ import annotations

from typing import Any

from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import relevance_scale
from jobs.embeddings.read_shards import pin_shards
from jobs.index.hydration import Hydration, HydrationInputs, check_flags, with_levels
from jobs.index.tune import IndexSettings, TuningSample, keep_or_train
from jobs.index.tuning_queries import judged_items, tuning_queries
from jobs.lake.arrow import strings
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.tracking import mlflow_run
from models.towers.encode import encode_queries


class Args(IndexSettings):
    """embeddings     first shard (0ofN); its siblings are read too
    towers         the towers that made them: they encode the queries
    queries        real queries for tuning, of split dev where there are some
    trained_index  output
    qrels          judgements; R@60 and RR@60 of each candidate are reported with them
    previous       trained_index of an earlier day in the same space
    hydration      weights of the items' numbers, where vectors are to be hydrated
    item_features  those numbers
    """

    embeddings: Partition
    towers: Partition
    queries: Partition
    trained_index: Partition
    qrels: Partition = NOWHERE
    previous: Partition = NOWHERE
    hydration: Partition = NOWHERE
    item_features: Partition = NOWHERE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flags(self.hydration, self.item_features)
        if self.previous and self.previous.values["space"] != self.trained_index.values["space"]:
            raise ValueError(f"previous={self.previous}: of another space than {self.trained_index}")


def main(args: Args) -> dict[str, Any]:
    """Keep the earlier trained index, or tune and train one."""
    shards = pin_shards(args.embeddings)
    towers, queries = pin(args.towers), pin(args.queries)
    previous = pin(args.previous) if args.previous else None
    qrels = pin(args.qrels) if args.qrels else None
    further = HydrationInputs.pin(args.hydration, args.item_features)
    inputs = [*shards, towers, queries, *filter(None, (previous, qrels)), *further.all]
    with mlflow_run("trained_index", args, inputs) as tracked, publish(args.trained_index, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        rows = tuning_queries(queries, args.tuning_queries, qrels)
        judged = judged_items(qrels, relevance_scale(qrels, args.min_relevance)[0], rows) if qrels else None
        model, hydration = load_towers(towers), Hydration.open(further)
        vectors = encode_queries(model, strings(rows, "query"))
        if hydration is not None:
            vectors, shards = hydration.queries(vectors, model.config.width), with_levels(shards, hydration)
        names = hydration.names if hydration is not None else ()
        keep_or_train(args, TuningSample.draw(args, shards, vectors, judged), previous, out, names)
        out.facts.update(space_id=args.trained_index.values["space"], hydrated=list(names))
        chosen = out.facts["chosen"]
        tracked.measures({f"now_{name}": value for name, value in out.facts["now"].items()})
        tracked.measures({name: chosen[name] for name in ("recall", "cpu_ms", "bytes_per_item")})
        tracked.tags({"decision": out.facts["decision"], "factory": out.facts["factory"]})
    names = ("decision", "factory", "quantiser_id", "reasons")
    return {"trained_index": str(args.trained_index), **{name: out.facts[name] for name in names}}
