"""Exactly once: the ids of a shard in order of their bytes, each there once, as one digest.

Memory: the ids and content hashes of one shard, and their sorted copy; no Python object for any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.embeddings.sharding import of_shard, utf8
from jobs.lake import storage as store
from jobs.lake.arrow import Strings, large
from jobs.lake.read import Pinned
from jobs.lake.streaming import record_batches


@dataclass(frozen=True)
class Census:
    """Items of one shard in the order of the files. read: rows of all shards that were seen on the way."""

    item_ids: Strings
    content_hashes: Strings
    read: int = 0

    def __len__(self) -> int:
        return len(self.item_ids)


def census_of_items(items: Pinned, shard: int, shards: int) -> Census:
    """The shard's items in the catalogue.

    Raises:
        ValueError: an item stands there twice, or one has no id.
    """
    parts: list[pa.RecordBatch] = []
    read = 0
    for mine, seen in of_shard(items, ("item_id", "content_hash"), shard, shards):
        parts.append(mine)
        read += seen
    found = Census(
        large(part.column("item_id") for part in parts), large(part.column("content_hash") for part in parts), read
    )
    if twice := repeated(found.item_ids):
        count, example = twice
        raise ValueError(
            f"{items.partition}: {count:,} rows repeat an item_id that stands there already, such as"
            f" {example!r}; expected each once: run {items.manifest.job} again on a clean catalogue"
        )
    return found


def census_of_shard(shard: Pinned) -> Census:
    """The items of a published shard."""
    parts = list(record_batches(shard, ("item_id", "content_hash"), 1 << 16))
    return Census(large(part.column("item_id") for part in parts), large(part.column("content_hash") for part in parts))


def ids_on_disk(uri: str, names: Sequence[str]) -> Strings:
    """The ids in some Parquet files, read back."""
    parts: list[pa.RecordBatch] = []
    for name in names:
        system, path = store.filesystem(f"{uri}/{name}")
        with pq.ParquetFile(path, filesystem=system) as file:
            parts += file.iter_batches(columns=["item_id"])
    return large(part.column("item_id") for part in parts)


def in_order(ids: Strings) -> Strings:
    """The ids in order of their bytes."""
    found: Strings = ids.take(pc.sort_indices(ids))
    return found


def digest(ids: Strings) -> str:
    """SHA-256 over ids in order of their bytes: equal for equal sets, whatever order they came in."""
    values, offsets = utf8(in_order(ids))
    found = hashlib.sha256(np.ascontiguousarray(offsets).data)
    found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


def repeated(ids: Strings) -> tuple[int, str] | None:
    """How many rows repeat an id, and one such id; None where each stands once."""
    ordered = in_order(ids)
    same: Any = pc.equal(ordered[1:], ordered[:-1])
    rows = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    return (len(rows), str(ordered[int(rows[0])])) if len(rows) else None
