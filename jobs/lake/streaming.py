"""Parquet files batch by batch: memory is that of a few batches, however many rows a partition has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.read import Pinned


def record_batches(pinned: Pinned, columns: Sequence[str], rows: int, role: str = "data") -> Iterator[pa.RecordBatch]:
    """Columns of a partition's Parquet files, at most `rows` rows at a time, in the order of the files.

    Each file is checked against the manifest when its turn comes. Local ones are mapped into memory, so
    that their pages can go whenever somebody else needs the place.
    """
    system, _ = store.filesystem(pinned.uri)
    if isinstance(system, fs.LocalFileSystem):
        system = fs.LocalFileSystem(use_mmap=True)
    for entry in pinned.entries(role):
        if not entry.name.endswith(".parquet"):
            continue
        _, path = store.filesystem(pinned.check(entry))
        with system.open_input_file(path) as source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(rows, columns=list(columns))
