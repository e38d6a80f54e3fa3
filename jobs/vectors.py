"""Reading all shards of an embedding space: the exact set, one space, each item once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.columns import Strings, texts
from jobs.lake import Partition
from jobs.reading import Pinned, dataset, pin
from models.fusion import Ranked, trec_order
from models.index import exact_search

Vectors = NDArray[np.float32]


def pin_shards(first: Partition) -> list[Pinned]:
    """Pin every shard, given the first (`0of4`).

    Raises:
        ValueError: the partition given is not the first shard.
        LookupError: a shard is not published.
        RuntimeError: the shards come from different towers or different items.
    """
    shard, shards = first.values["shard"].split("of")
    if shard != "0":
        raise ValueError(f"{first}: give the first shard, 0of{shards}; its siblings are found")
    pinned = [pin(first.having(shard=f"{number}of{shards}")) for number in range(int(shards))]
    for one in pinned:
        if (
            _catalogue(one) != _catalogue(pinned[0])
            or one.facts["space_id"] != first.values["towers"]
        ):
            raise RuntimeError(
                f"{one.partition}: of items {_catalogue(one)[:12]} in space {one.facts['space_id']},"
                f" unlike {first}, of items {_catalogue(pinned[0])[:12]}; embed this shard again"
            )
    return pinned


def _catalogue(shard: Pinned) -> str:
    """Content of the items that a shard was made from. The space id says all about the towers."""
    return next(
        source.content_sha256
        for source in shard.manifest.inputs
        if source.partition.startswith("items/")
    )


def read_vectors(shards: list[Pinned]) -> tuple[list[str], Vectors]:
    """Read ids and vectors [N, D] of all shards, in the order of the ids.

    Rows in the order of ids make the index reproducible and its ties those of trec_eval.
    """
    parts = list(batches(shards))
    ids = np.array([name for names, _ in parts for name in names], dtype=object)
    vectors = np.concatenate([part for _, part in parts])
    order = np.argsort(ids, kind="stable")
    return ids[order].tolist(), vectors[order]


def batches(shards: list[Pinned]) -> Iterator[tuple[list[str], Vectors]]:
    """Ids and vectors of all shards, a few at a time, in the order of the files."""
    for shard in shards:
        for batch in dataset(shard).to_batches(columns=["item_id", "embedding"]):
            yield texts(batch.column("item_id")), matrix(batch.column("embedding"))


def matrix(column: Any) -> Vectors:
    """View a fixed-size-list column as an array [N, D], without copying."""
    if not pa.types.is_fixed_size_list(column.type):
        raise RuntimeError(f"embedding is {column.type}, expected a list of fixed size")
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)


def exact_rankings(shards: list[Pinned], queries: Vectors, depth: int) -> tuple[Ranked, Strings]:
    """Search all vectors exactly, one batch in memory at a time.

    Returns the ranking in rows of the sorted ids, and those ids.
    """
    names: list[str] = []

    def vectors() -> Iterator[Vectors]:
        for found, part in batches(shards):
            names.extend(found)
            yield part

    ranked = exact_search(vectors(), queries, depth)
    ids = np.array(names, dtype=object)
    order = np.argsort(ids, kind="stable")
    row = np.empty(len(ids) + 1, dtype=np.int64)
    row[order] = np.arange(len(ids))
    row[-1] = -1  # the place that -1, no item, points at
    return trec_order(row[ranked.items], ranked.scores), pa.array(ids[order], pa.string())
