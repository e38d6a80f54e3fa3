"""Items -> unit vectors of item2vec, shard by shard.

python -m jobs item_embeddings --items items/ds=2026-01-31 --item2vec item2vec/ds=2026-01-31/method=content \\
    --embeddings embeddings/ds=2026-01-31/space=5b1e0c33a7d2f498/shard=0of1
"""

from __future__ import annotations

from jobs.embeddings.embed_shard import ShardOptions, embed_shard
from jobs.embeddings.encoder import EncoderSource
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from jobs.recommendations.item_encoder import ItemVectors


class Args(ShardOptions):
    """items       catalogue snapshot to embed
    item2vec    trained vectors
    embeddings  output; key space is what `item2vec` printed, key shard says which part (0of1: everything)
    """

    items: Partition
    item2vec: Partition
    embeddings: Partition


def main(args: Args) -> dict[str, object] | None:
    """Embed the items of one shard; of several processes the first publishes and answers."""
    return embed_shard(args.items, args.embeddings, EncoderSource.of(ItemVectors, pin(args.item2vec)), args)
