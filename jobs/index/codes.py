"""Embeddings of a shard -> inverted lists and codes.

python -m jobs codes --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --trained_index trained_index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 \\
    --codes codes/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2
"""

from __future__ import annotations

import logging
from typing import Any

from jobs.embeddings.read_shards import catalogue
from jobs.index.hydration import Hydration, HydrationInputs, check_flags, check_numbers, facts_of, with_levels
from jobs.index.shard_codes import CodedShard, ShardCoder
from jobs.index.tune import TrainedIndex
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs
from jobs.platform.distributed import device
from jobs.platform.tracking import mlflow_run
from models.ann.codes import widths

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """embeddings     shard to encode
    trained_index  the index that encodes it
    codes          output, of the same shard
    previous       codes of an earlier day, reused where they are of the same trained index
    hydration      weights with which the index was trained
    item_features  numbers of the items that are coded beside their vectors
    """

    embeddings: Partition
    trained_index: Partition
    codes: Partition
    previous: Partition = NOWHERE
    hydration: Partition = NOWHERE
    item_features: Partition = NOWHERE

    def __post_init__(self) -> None:
        check_flags(self.hydration, self.item_features)
        given = filter(None, (self.embeddings, self.codes, self.previous))
        if len({(partition.values["space"], partition.values["shard"]) for partition in given}) != 1:
            raise ValueError(
                f"embeddings={self.embeddings}, codes={self.codes}, previous={self.previous or 'none'}:"
                " expected one space and one shard"
            )


def main(args: Args) -> dict[str, Any]:
    """Code the shard."""
    embeddings, source = pin(args.embeddings), pin(args.trained_index)
    if source.facts["space_id"] != args.codes.values["space"]:
        raise RuntimeError(
            f"{args.trained_index}: of space {source.facts['space_id']}, {args.codes} is of another;"
            " items coded by centroids of another space are not found again"
        )
    previous = pin(args.previous) if args.previous else None
    further = HydrationInputs.pin(args.hydration, args.item_features)
    hydration = Hydration.open(further)
    check_numbers(source, hydration)
    inputs = [embeddings, source, *filter(None, [previous]), *further.all]
    with mlflow_run("codes", args, inputs) as tracked, publish(args.codes, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        trained_index = TrainedIndex.open(source)
        (shard,) = with_levels([embeddings], hydration)
        coder = ShardCoder(shard, trained_index.trained, out.folder, str(device()))
        counts = coder.write(_usable(previous, trained_index))
        items = counts["coded"] + counts["taken_over"]
        out.count("items", embeddings.manifest.rows, items, {})
        code_bytes, refine_bytes = widths(trained_index.trained)
        out.facts.update(
            counts,
            items=items,
            factory=trained_index.factory,
            quantiser_id=trained_index.id,
            space_id=args.codes.values["space"],
            catalogue=catalogue(embeddings),
            hydrated=facts_of(hydration),
            code_bytes=code_bytes,
            refine_bytes=refine_bytes,
        )
        tracked.measures(counts)
    return {"codes": str(args.codes), "items": items, **counts}


def _usable(previous: Pinned | None, trained_index: TrainedIndex) -> CodedShard | None:
    """Earlier codes, where they are of the same trained index; otherwise every item is coded."""
    if previous is None:
        return None
    if previous.facts["quantiser_id"] != trained_index.id:
        log.info("%s: of another trained index; every item is coded anew", previous.partition)
        return None
    return CodedShard.open(previous)
