"""Items -> unit vectors of the item tower, one shard at a time.

python -m jobs.embeddings --items items/ds=2026-01-31 --towers towers/ds=2026-01-31/step=star \\
    --embeddings embeddings/ds=2026-01-31/towers=7f3a5c1e9b2d4a60/shard=0of2
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.cli import run
from jobs.columns import Strings, table_of, texts
from jobs.lake import Partition
from jobs.progress import progress
from jobs.publish import publish
from jobs.reading import pin
from jobs.streaming import record_batches
from jobs.tracking import mlflow_run
from jobs.weights import load_towers
from models.encode import TOKEN_BUDGET, encode_store
from models.index import check_vectors
from models.space import items_space, space_id
from models.texts import buckets, padded
from models.towers import TwoTower

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Args:
    """items       catalogue snapshot to embed
    towers      trained towers
    embeddings  output; key towers is their space id, key shard says which part (0of1: everything)
    chunk_items items encoded and written at a time: bounds memory
    """

    items: Partition
    towers: Partition
    embeddings: Partition
    chunk_items: int = 65_536


def shard_of(item_ids: list[str], shards: int) -> NDArray[np.int64]:
    """Give the shard of each item: by a stable hash of its id, so an item never wanders."""
    hashes = np.fromiter(map(zlib.crc32, map(str.encode, item_ids)), np.int64, len(item_ids))
    return hashes % shards


def main(args: Args) -> dict[str, object]:
    """Embed the items of one shard; ids out are ids in, each once."""
    items, towers_in = pin(args.items), pin(args.towers)
    towers = load_towers(towers_in)
    _same_space(args, towers)
    shard, shards = map(int, args.embeddings.values["shard"].split("of"))
    inputs = [items, towers_in]
    with (
        mlflow_run("embeddings", args, inputs) as tracked,
        publish(args.embeddings, args, inputs) as out,
    ):
        out.mlflow_run_id = tracked.id
        seen: set[str] = set()
        read = mine = 0
        tokens = np.zeros(2, np.int64)  # of the texts, and of padding
        chunks = record_batches(items, ("item_id", "content_hash", "text"), args.chunk_items)
        with progress("embeddings", items.manifest.rows, "items") as advance:
            for number, (ids, hashes, read_texts, n_read) in enumerate(
                _of_shard(chunks, shard, shards)
            ):
                store = towers.store(read_texts)
                vectors = encode_store(towers.forward_items, store, TOKEN_BUDGET, towers)
                tokens += np.array(padded(store.sizes, buckets(store.sizes, TOKEN_BUDGET)))
                check_vectors(vectors, ids)
                out.write_table(_rows(ids, hashes, vectors), f"part-{number:05d}.parquet")
                seen.update(ids)
                mine += len(ids)
                read += n_read
                advance(n_read)
        if mine != len(seen):
            raise RuntimeError(f"{args.items}: {mine - len(seen):,} item ids repeat; expected none")
        out.count("items", read, mine, {"other shards": read - mine})
        out.facts.update(space_id=args.embeddings.values["towers"], dim=towers.config.width,
                         shard=shard, shards=shards, items=mine)  # fmt: skip
        # trigrams stand one after another: there is nothing to pad
        share = tokens[1] / max(1, tokens.sum()) if towers.config.has_bert else 0.0
        out.facts["padding_frac"] = float(share)
        tracked.measures({"items": mine, "padding_frac": float(share)})
    return {"embeddings": str(args.embeddings), "items": mine}


def _same_space(args: Args, towers: TwoTower) -> None:
    """Towers that keep others' item tower embed in the space of those as in their own."""
    found, expected = space_id(towers), args.embeddings.values["towers"]
    if expected not in (found, items_space(towers)):
        raise ValueError(
            f"{args.embeddings}: {args.towers} has space id {found}, the address says {expected};"
            f" write to towers={found}"
        )


def _of_shard(
    chunks: Iterator[pa.RecordBatch], shard: int, shards: int
) -> Iterator[tuple[list[str], Strings, list[str], int]]:
    """Yield (item ids, content hashes, texts, rows read) of the shard, batch by batch."""
    for chunk in chunks:
        mine = shard_of(texts(chunk.column("item_id")), shards) == shard
        kept = chunk.filter(pa.array(mine))
        ids, read = texts(kept.column("item_id")), texts(kept.column("text"))
        yield ids, kept.column("content_hash"), read, len(chunk)


def _rows(ids: list[str], hashes: Strings, vectors: NDArray[np.float32]) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return table_of({"item_id": ids, "content_hash": hashes, "embedding": lists})


if __name__ == "__main__":
    run(Args, main)
