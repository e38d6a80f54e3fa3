"""Items -> unit vectors of the item tower, shard by shard.

python -m jobs embeddings --items items/ds=2026-01-31 --towers towers/ds=2026-01-31/step=star \\
    --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2
python -m jobs embeddings ... --previous embeddings/ds=2026-01-30/space=7f3a5c1e9b2d4a60/shard=0of2
torchrun --nproc-per-node=8 -m jobs embeddings ...
"""

from __future__ import annotations

import json
from typing import Annotated

from jobs.bundle.files import CONFIG
from jobs.embeddings.delta import check_address
from jobs.embeddings.embed_shard import ShardOptions, embed_shard
from jobs.embeddings.encoder import EncoderSource
from jobs.embeddings.item_tower import ItemTower
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import NonNegativeInt, OneOf
from models.towers.precision import PRECISIONS


class Args(ShardOptions):
    """items         catalogue snapshot to embed
    towers        trained towers
    embeddings    output; key space is their space id, key shard says which part (0of1: everything)
    precision     of the matrix products; auto: bf16 where the device is fast at it
    token_budget  tokens (trigrams, without BERT) of one forward pass; 0: as suits the device
    """

    items: Partition
    towers: Partition
    embeddings: Partition
    precision: Annotated[str, OneOf(*PRECISIONS)] = "auto"
    token_budget: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.previous:
            check_address(self.previous, self.embeddings)


def main(args: Args) -> dict[str, object] | None:
    """Embed the items of one shard; of several processes the first publishes and answers."""
    towers = pin(args.towers)
    check_template(pin(args.items), towers)
    source = EncoderSource.of(ItemTower, towers, precision=args.precision, token_budget=args.token_budget)
    return embed_shard(args.items, args.embeddings, source, args)


def check_template(items: Pinned, towers: Pinned) -> None:
    """Refuse items whose texts are made by another rule than those that the towers learnt from.

    Raises:
        RuntimeError: the rules differ.
    """
    learnt = json.loads(towers.path(CONFIG).read_text("utf-8")).get("text_template")
    if (made := items.facts.get("text_template", learnt)) != learnt:
        raise RuntimeError(
            f"{items.partition}: texts by the template {made!r}, {towers.partition} learnt from {learnt!r}; train towers on"
            " these items, or make the items with the slots of before"
        )
