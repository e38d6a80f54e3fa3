"""Parquet files of a shard: ids, content hashes and vectors, checked before they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.embeddings.read_shards import Embedded
from jobs.lake import storage as store
from jobs.lake.arrow import table_of
from jobs.lake.arrow_schema import conform
from jobs.lake.fault import fault_point
from jobs.lake.partitions import EMBEDDINGS

STORAGES: dict[str, type[np.floating[Any]]] = {"fp16": np.float16, "fp32": np.float32}
# a unit vector that was rounded to fp16 differs from norm 1 by less
NORM_TOLERANCE = 2e-3
FILE_ROWS = 262_144  # a file with as many rows is closed, and the next one begun
# stored byte by byte (all high bytes, then all low bytes) fp16 compresses better. Spark reads neither that nor fp16,
# so fp32 files stay plain
_ENCODINGS: dict[str, Any] = {"fp16": {"embedding.list.element": "BYTE_STREAM_SPLIT"}, "fp32": None}


class ShardWriter:
    """Files `<stem>-00000.parquet`, ... in a folder of the lake; `close` ends the last one."""

    def __init__(self, uri: str, stem: str, storage: str) -> None:
        self.uri, self.stem, self.storage = uri, stem, storage
        self.names: list[str] = []
        self.rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._in_file = 0

    def write(self, rows: Embedded) -> None:
        """Write items as one row group.

        Raises:
            ValueError: a vector is not finite or not of unit norm.
        """
        check_unit(rows)
        table = conform(self._table(rows), EMBEDDINGS)
        if self._writer is None:
            self._writer = self._begin(table.schema)
        self._writer.write_table(table)
        self.rows += len(table)
        self._in_file += len(table)
        if self._in_file >= FILE_ROWS:
            self.close()
        fault_point("embeddings.written")

    def close(self) -> None:
        """Close the file; the next rows begin another one."""
        if self._writer is not None:
            self._writer.close()
        self._writer, self._in_file = None, 0

    def _begin(self, schema: pa.Schema) -> pq.ParquetWriter:
        name = f"{self.stem}-{len(self.names):05d}.parquet"
        self.names.append(name)
        system, path = store.filesystem(f"{self.uri}/{name}")
        system.create_dir(path.rpartition("/")[0], recursive=True)
        return pq.ParquetWriter(
            path,
            schema,
            filesystem=system,
            compression="zstd",
            use_dictionary=False,
            write_page_checksum=True,
            column_encoding=_ENCODINGS[self.storage],
        )

    def _table(self, rows: Embedded) -> pa.Table:
        values = np.ascontiguousarray(rows.vectors, STORAGES[self.storage])
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        return table_of({"item_id": rows.item_ids, "content_hash": rows.content_hashes, "embedding": lists})


def check_unit(rows: Embedded) -> None:
    """Refuse vectors that FAISS would accept without an error: it adds NaN and never finds it again.

    Raises:
        ValueError: a vector is not finite or not of unit norm.
    """
    norms = np.sqrt(np.einsum("nd,nd->n", rows.vectors, rows.vectors, dtype=np.float32))
    # a NaN or an infinity fails the comparison too
    bad = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
    if len(bad):
        raise ValueError(
            f"item {str(rows.item_ids[int(bad[0])])!r}: its vector has norm {norms[bad[0]]:.4g}, expected 1"
            f" ({len(bad):,} such of {len(norms):,}); is the encoder or the earlier shard damaged?"
        )
