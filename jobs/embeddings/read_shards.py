"""Read the shards of an embedding space: all of them, of one space and one catalogue; one batch is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.embeddings.hydrated import HydratedShard
from jobs.lake.arrow import Strings, large, texts
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin, record_batches
from jobs.platform.distributed import device
from models.ann.exact import Vectors, equal_numbers, nearest, vector_hashes
from models.fusion.ranked_lists import Ranked, trec_order

BATCH_ROWS = 16_384  # vectors in memory at a time: 25 MB of 384 dimensions
COLUMNS = ("item_id", "content_hash", "embedding")


class Embedded(NamedTuple):
    """Some items: item_ids [n], content_hashes [n], vectors [n, D] in fp32 whatever the files hold."""

    item_ids: Strings
    content_hashes: Strings
    vectors: Vectors


def pin_siblings(first: Partition) -> list[Pinned]:
    """Pin every shard, given the first (`0of4`).

    Raises:
        ValueError: the partition given is not the first shard.
        LookupError: a shard is not published.
    """
    shard, shards = first.values["shard"].split("of")
    if shard != "0":
        raise ValueError(f"{first}: give the first shard, 0of{shards}; its siblings are found")
    return [pin(first.having(shard=f"{number}of{shards}")) for number in range(int(shards))]


def pin_shards(first: Partition) -> list[Pinned]:
    """Pin every shard of embeddings by `pin_siblings`.

    Raises:
        RuntimeError: the shards come from different spaces or different items.
    """
    pinned = pin_siblings(first)
    for sibling in pinned:
        if catalogue(sibling) != catalogue(pinned[0]) or sibling.facts["space_id"] != first.values["space"]:
            raise RuntimeError(
                f"{sibling.partition}: of items {catalogue(sibling)[:12]} in space {sibling.facts['space_id']},"
                f" unlike {first}, of items {catalogue(pinned[0])[:12]}; embed this shard again"
            )
    return pinned


def catalogue(shard: Pinned) -> str:
    """Content hash of the items partition that a shard was made from."""
    return next(source.content_sha256 for source in shard.manifest.inputs if source.partition.startswith("items/"))


def shard_batches(shard: Pinned, batch_rows: int = BATCH_ROWS) -> Iterator[Embedded]:
    """Items of one shard in the order of its files, at most batch_rows at a time."""
    for batch in record_batches(shard, COLUMNS, batch_rows):
        ids, hashes, vectors = (batch.column(name) for name in COLUMNS)
        yield Embedded(ids, hashes, _vectors(shard, ids, vectors))


def batches(shards: list[Pinned], batch_rows: int = BATCH_ROWS) -> Iterator[tuple[Strings, Vectors]]:
    """Ids and vectors of all shards, at most batch_rows at a time, in the order of the files."""
    for shard in shards:
        for batch in record_batches(shard, ("item_id", "embedding"), batch_rows):
            ids = batch.column("item_id")
            yield ids, _vectors(shard, ids, batch.column("embedding"))


def _vectors(shard: Pinned, ids: Strings, column: Any) -> Vectors:
    vectors = matrix(column)
    return shard.levels.hydrate(ids, vectors) if isinstance(shard, HydratedShard) else vectors


def read_vectors(shards: list[Pinned]) -> tuple[list[str], Vectors]:
    """Read ids and vectors [N, D] of all shards, in the order of the ids.

    This order makes the index reproducible, and breaks ties as trec_eval does.
    """
    parts = list(batches(shards))
    ids, order = in_order([names for names, _ in parts])
    return texts(ids), np.concatenate([vectors for _, vectors in parts])[order]


def in_order(parts: list[Strings]) -> tuple[Strings, NDArray[np.int64]]:
    """The ids of all parts in order of their bytes, and the row in the parts that each came from."""
    ids = large(parts)
    order = pc.sort_indices(ids)
    return ids.take(order), order.to_numpy().astype(np.int64)


def matrix(column: Any) -> Vectors:
    """A fixed-size-list column as fp32 [N, D]; no copy where the file holds fp32."""
    if not pa.types.is_fixed_size_list(column.type):
        raise RuntimeError(f"embedding is {column.type}, expected a list of fixed size")
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=True)
    return flat.astype(np.float32, copy=False).reshape(len(column), column.type.list_size)


class ExactRankings(NamedTuple):
    """ranked, in rows of the sorted ids; ids [N]; equal [N]: a number for each, one for those of equal vectors."""

    ranked: Ranked
    ids: Strings
    equal: NDArray[np.int64]


def exact_rankings(shards: list[Pinned], queries: Vectors, depth: int) -> ExactRankings:
    """Search all vectors exactly, one batch in memory at a time."""
    names: list[Strings] = []
    hashes: list[NDArray[np.uint64]] = []

    def vectors() -> Iterator[Vectors]:
        for item_ids, part in batches(shards):
            names.append(item_ids)
            hashes.append(vector_hashes(part))
            yield part

    scores, rows = nearest(queries, vectors(), depth, device())
    ids, order = in_order(names)
    row = np.empty(len(ids) + 1, dtype=np.int64)
    row[order] = np.arange(len(ids))
    row[-1] = -1  # -1, no item, points at the last place
    return ExactRankings(trec_order(row[rows], scores), ids, equal_numbers(hashes)[order])
