"""An open attempt at a partition: what a job fills before it is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.arrow_schema import conform
from jobs.lake.manifest import Accounting, Manifest
from jobs.lake.parquet_footer import steady
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Attempt:
    """What a job fills: files in `folder`, figures in `facts`, counts in `count`."""

    def __init__(self, partition: Partition, folder: Path, uri: str, inputs: Sequence[Pinned]) -> None:
        self.partition = partition
        self.folder = folder
        self.uri = uri
        self.inputs = list(inputs)
        self.facts: dict[str, Any] = {}
        self.accounting: list[Accounting] = []
        self.simulated = any(pinned.manifest.simulated for pinned in inputs)
        self.mlflow_run_id = ""
        self.manifest: Manifest | None = None

    def count(self, unit: str, rows_in: int, rows_out: int, dropped: dict[str, int]) -> None:
        """State what became of every input row; RuntimeError when the sum does not come out."""
        self.accounting.append(Accounting(unit, rows_in, rows_out, dropped))

    def write_table(self, table: pa.Table, name: str = "part-00000.parquet") -> None:
        """Write one Parquet file with page checksums, cast to the table's own columns."""
        rows = conform(table, self.partition.table)
        pq.write_table(rows, self.folder / name, compression="zstd", write_page_checksum=True)

    def write_spark(self, frame: DataFrame, by: Sequence[str], files: int = 1, parted: bool = False) -> None:
        """Write a Spark frame as `files` Parquet files, hashed and sorted by `by`, so that a re-run makes
        the same bytes whatever order the shuffle delivered. parted: it is hashed already, a file for each part."""
        if frame.columns != list(self.partition.table.columns):
            expected = list(self.partition.table.columns)
            raise ValueError(f"{self.partition}: found columns {frame.columns}, expected {expected}")
        parts = frame if parted else frame.repartition(files, *by)
        self._write_spark(parts.sortWithinPartitions(*by), "", "part")

    def quarantine(self, frame: DataFrame, by: Sequence[str]) -> None:
        """Set rejected rows aside, beside the data but never read as data."""
        self._write_spark(frame.coalesce(1).sortWithinPartitions(*by), "quarantine/", "rejected")

    def _write_spark(self, frame: DataFrame, folder: str, stem: str) -> None:
        scratch = f"{self.uri}/_spark"
        frame.write.mode("overwrite").option("compression", "zstd").parquet(store.spark_uri(scratch))
        system, root = store.filesystem(self.uri)
        parts = [name for name, _ in store.list_files(scratch) if name.endswith(".parquet")]
        if folder:
            system.create_dir(f"{root}/{folder}")
        for number, name in enumerate(parts):
            target = f"{folder}{stem}-{number:05d}.parquet"
            system.move(f"{root}/_spark/{name}", f"{root}/{target}")
            steady(f"{self.uri}/{target}")
        store.delete_folder(scratch)
