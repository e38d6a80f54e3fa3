"""Exactly once: the ids of a shard's items with their content hashes, a digest of the ids, and repeated ids.

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

from jobs.embeddings.encoder import Encoder
from jobs.embeddings.sharding import of_shard, utf8
from jobs.lake import storage as store
from jobs.lake.arrow import Strings, large
from jobs.lake.read import Pinned, record_batches


@dataclass(frozen=True)
class ItemHashes:
    """Ids [n] and content hashes [n] of a shard's items, in the order of the files.

    read: rows of all shards that were read to select them.
    """

    item_ids: Strings
    content_hashes: Strings
    read: int = 0

    def __len__(self) -> int:
        return len(self.item_ids)


def catalogue_hashes(items: Pinned, encoder: Encoder[Any], shard: int, shards: int) -> ItemHashes:
    """The shard's items in the catalogue, with the content hashes of an encoder.

    Raises:
        ValueError: an item is in the catalogue twice, or one has no id.
    """
    ids: list[Strings] = []
    hashes: list[Strings] = []
    read = 0
    columns = tuple(dict.fromkeys(("item_id", *encoder.hash_columns)))
    for batch, seen in of_shard(items, columns, shard, shards):
        ids.append(batch.column("item_id"))
        hashes.append(encoder.content_hashes(batch))
        read += seen
    catalogue = ItemHashes(large(ids), large(hashes), read)
    if repeats := repeated(catalogue.item_ids):
        count, example = repeats
        raise ValueError(
            f"{items.partition}: {count:,} rows repeat an item_id, such as {example!r}; expected each once:"
            f" run {items.manifest.job} again on a clean catalogue"
        )
    return catalogue


def published_hashes(shard: Pinned) -> ItemHashes:
    """The items of a published shard of embeddings."""
    batches = list(record_batches(shard, ("item_id", "content_hash"), 1 << 16))
    ids, hashes = (large(batch.column(name) for batch in batches) for name in ("item_id", "content_hash"))
    return ItemHashes(ids, hashes)


def ids_on_disk(uri: str, names: Sequence[str]) -> Strings:
    """Read back the ids of some Parquet files."""
    batches: list[pa.RecordBatch] = []
    for name in names:
        system, path = store.filesystem(f"{uri}/{name}")
        with pq.ParquetFile(path, filesystem=system) as file:
            batches += file.iter_batches(columns=["item_id"])
    return large(batch.column("item_id") for batch in batches)


def in_order(ids: Strings) -> Strings:
    """The ids in order of their bytes."""
    ordered: Strings = ids.take(pc.sort_indices(ids))
    return ordered


def digest(ids: Strings) -> str:
    """SHA-256 over ids in order of their bytes: equal for equal sets, whatever their order."""
    values, offsets = utf8(in_order(ids))
    sha256 = hashlib.sha256(np.ascontiguousarray(offsets).data)
    sha256.update(np.ascontiguousarray(values).data)
    return sha256.hexdigest()


def repeated(ids: Strings) -> tuple[int, str] | None:
    """Number of rows that repeat an id, and one such id; None where each id occurs once."""
    ordered = in_order(ids)
    same: Any = pc.equal(ordered[1:], ordered[:-1])
    rows = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    return (len(rows), str(ordered[int(rows[0])])) if len(rows) else None
