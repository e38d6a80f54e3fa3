"""Vectors of some items of all shards, and exact search in all of them: one batch in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.embeddings.read_shards import shard_batches
from jobs.lake.arrow import Strings, large
from jobs.lake.read import Pinned

Vectors = NDArray[np.float32]


def total(shards: list[Pinned]) -> int:
    """Items in all shards."""
    return sum(one.manifest.rows for one in shards)


def sampled(shards: list[Pinned], wanted: int, seed: int, also: Strings | None = None) -> tuple[Strings, Vectors]:
    """Ids and vectors [S, D] of items drawn by seed, in the order of the files; all where wanted is more.

    also: ids that are taken besides, drawn or not: what people judged, say.
    """
    count = total(shards)
    drawn = np.zeros(count, np.bool_)
    drawn[np.random.default_rng(seed).choice(count, min(wanted, count), replace=False)] = True
    ids: list[Strings] = []
    parts: list[Vectors] = []
    start = 0
    for names, _, vectors in every(shards):
        taken = drawn[start : start + len(names)]
        if also is not None:
            taken = taken | pc.is_in(names, also).to_numpy(zero_copy_only=False)
        start += len(names)
        ids.append(names.filter(pa.array(taken)))
        parts.append(vectors[taken])
    return large(ids), np.concatenate(parts)


def every(shards: list[Pinned]) -> Iterator[tuple[Strings, Strings, Vectors]]:
    """(ids, content hashes, vectors) of all shards, batch by batch."""
    for one in shards:
        yield from shard_batches(one)
