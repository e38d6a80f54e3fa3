"""The other table of a rule between tables: the version that the partition was made of, or that of the same day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jobs.embeddings.sharding import of_shard
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.read import Pinned, exists, pin, record_batches
from jobs.quality.hash_keys import words
from jobs.quality.metrics import Metric
from models.quality.hashes import mix, start

BATCH_ROWS = 65_536
RELATED = ("orphans", "missing")


def partner(pinned: Pinned, table: str) -> Pinned | None:
    """The other table's version that the manifest names, else the current one of the same keys; None: neither exists."""
    sources = [source for source in pinned.manifest.inputs if source.partition.startswith(f"{table}/")]
    sources.sort(key=lambda source: Partition.parse(source.partition).ds, reverse=True)
    if sources:  # of a window of days the last one
        at = Partition.parse(sources[0].partition)
        try:
            return pin(at, sources[0].attempt, even_stopped=True)
        except FileNotFoundError:  # pruned since
            return pin(at, even_stopped=True) if exists(at) else None
    mine = pinned.partition.values
    if set(TABLES[table].keys) - set(mine):
        return None
    at = TABLES[table].at(**{key: mine[key] for key in TABLES[table].keys})
    return pin(at, even_stopped=True) if exists(at) else None


def partner_keys(pinned: Pinned, metric: Metric, seed: int) -> np.ndarray | None:
    """The other table's keys as sorted words; of items that are in shards, those of this shard alone."""
    other = partner(pinned, metric.condition)
    if other is None:
        return None
    columns = list(metric.columns)
    shard = pinned.partition.values.get("shard")
    if shard and other.partition.name == "items":
        number, shards = (int(word) for word in shard.split("of"))
        parts = [mine for mine, _ in of_shard(other, columns, number, shards)]
    else:
        parts = list(record_batches(other, columns, BATCH_ROWS))
    keys = [_keys(part, columns, seed) for part in parts]
    return np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.uint64)


def _keys(part: pa.RecordBatch, columns: Sequence[str], seed: int) -> np.ndarray:
    hashes = start(len(part), seed)
    for column in columns:
        hashes = mix(hashes, words(part.column(column), seed))
    return hashes


def related(metric: Metric, mine: np.ndarray, theirs: np.ndarray) -> int:
    """orphans: rows whose key the other table lacks; missing: keys of the other table that no row has.

    mine [N] of any order; theirs [M] sorted, each once.
    """
    if metric.kind == "missing":
        return len(np.setdiff1d(theirs, mine))
    if not len(theirs):
        return len(mine)
    at = np.searchsorted(theirs, mine).clip(max=len(theirs) - 1)
    return int((theirs[at] != mine).sum())


def rows_of(pinned: Pinned, table: str) -> int | None:
    """Number of rows of the other table; None: it does not exist."""
    other = partner(pinned, table)
    return other.manifest.rows if other else None
