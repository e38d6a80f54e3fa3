"""The shard of an item: a hash of its id, the same on every machine and day and for any order of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.lake.arrow import Strings
from jobs.lake.read import Pinned, record_batches

READ_ROWS = 65_536  # rows of items in memory at a time
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIXES = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_HALF = np.uint64(33)


def hash64(ids: Strings) -> NDArray[np.uint64]:
    """A 64-bit hash [n] of each string's UTF-8, without a Python object for any of them.

    A polynomial over the bytes modulo 2^64, mixed: sum of (byte + 1) * BASE^place, and the length.
    """
    values, offsets = utf8(ids)
    lengths = np.diff(offsets)
    powers = np.full(int(lengths.max(initial=0)) + 1, _BASE)
    powers[0] = 1
    places = np.arange(len(values)) - np.repeat(offsets[:-1], lengths)
    terms = (values.astype(np.uint64) + np.uint64(1)) * np.multiply.accumulate(powers)[places]
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    hashes = sums[offsets[1:]] - sums[offsets[:-1]] + lengths.astype(np.uint64) * _MIXES[1]
    for mix in _MIXES:
        hashes = (hashes ^ (hashes >> _HALF)) * mix
    mixed: NDArray[np.uint64] = hashes ^ (hashes >> _HALF)
    return mixed


def utf8(strings: Strings) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes of Arrow strings one after another, and offsets [n + 1] of each string in them."""
    large: Any = strings.cast(pa.large_string())
    _, offsets, values = large.buffers()
    places = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    if not len(places):  # without rows Arrow may hold no buffer
        places = np.zeros(1, np.int64)
    held = np.frombuffer(values or b"", np.uint8)
    return held[places[0] : places[-1]], places - places[0]


def shard_of(ids: Strings, shards: int) -> NDArray[np.int64]:
    """The shard [n] of each item; it changes only with the number of shards."""
    return (hash64(ids) % np.uint64(shards)).astype(np.int64)


def of_shard(items: Pinned, columns: Sequence[str], shard: int, shards: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Rows of `items` that belong to the shard, and the number of rows read for them, in the order of the files.

    Raises:
        ValueError: an item has no id.
    """
    for batch in record_batches(items, columns, READ_ROWS):
        ids = batch.column("item_id")
        if ids.null_count:
            raise ValueError(f"{items.partition}: {ids.null_count:,} items have no item_id; expected one each")
        mine = batch
        if shards > 1:
            mine = batch.filter(pa.array(shard_of(ids, shards) == shard))
        yield mine, len(batch)
