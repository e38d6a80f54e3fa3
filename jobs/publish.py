"""Publishing a partition: a fresh attempt folder, files, fsync, manifest, and one pointer last.

No manifest, no partition. A job killed anywhere leaves yesterday's version in place and a folder that nobody reads,
which the next attempt removes. One writer at a time holds the partition's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import store
from jobs.fault import fault_point
from jobs.footer import steady
from jobs.lake import Partition
from jobs.manifest import (
    Accounting,
    Manifest,
)
from jobs.reading import Pinned, attempt_uri
from jobs.schema import conform
from jobs.seal import seal
from jobs.sweep import current, sweep

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)


class Attempt:
    """What a job fills: files in `folder`, figures in `facts`, counts in `count`."""

    def __init__(
        self, partition: Partition, folder: Path, uri: str, inputs: Sequence[Pinned]
    ) -> None:
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

    def write_spark(self, frame: DataFrame, by: Sequence[str], files: int = 1) -> None:
        """Write a Spark frame as `files` Parquet files, hashed and sorted by `by`, so that a re-run makes
        the same bytes whatever order the shuffle delivered."""
        if frame.columns != list(self.partition.table.columns):
            expected = list(self.partition.table.columns)
            raise ValueError(
                f"{self.partition}: found columns {frame.columns}, expected {expected}"
            )
        self._write_spark(frame.repartition(files, *by).sortWithinPartitions(*by), "", "part")

    def quarantine(self, frame: DataFrame, by: Sequence[str]) -> None:
        """Set rejected rows aside, beside the data but never read as data."""
        self._write_spark(frame.coalesce(1).sortWithinPartitions(*by), "quarantine/", "rejected")

    def _write_spark(self, frame: DataFrame, folder: str, stem: str) -> None:
        scratch = f"{self.uri}/_spark"
        frame.write.mode("overwrite").option("compression", "zstd").parquet(
            store.spark_uri(scratch)
        )
        system, root = store.filesystem(self.uri)
        parts = [name for name, _ in store.list_files(scratch) if name.endswith(".parquet")]
        if folder:
            system.create_dir(f"{root}/{folder}")
        for number, name in enumerate(parts):
            target = f"{folder}{stem}-{number:05d}.parquet"
            system.move(f"{root}/_spark/{name}", f"{root}/{target}")
            steady(f"{self.uri}/{target}")
        store.delete_folder(scratch)


@contextlib.contextmanager
def publish(
    partition: Partition, args: DataclassInstance, inputs: Sequence[Pinned] = ()
) -> Iterator[Attempt]:
    """Open an attempt; what is in it when the block ends without an error becomes the partition.

    Raises:
        RuntimeError: another process is writing the same partition.
    """
    started = time.monotonic()
    with _lock(partition), contextlib.ExitStack() as stack:
        sweep(partition)
        attempt = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        uri = attempt_uri(partition, attempt)
        local = store.is_local(uri)
        folder = (
            store.local_path(uri)
            if local
            else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightshelf-")))
        )
        folder.mkdir(parents=True, exist_ok=True)
        fault_point("publish.started")
        out = Attempt(partition, folder, uri, inputs)
        try:
            yield out
            out.manifest = seal(out, args, attempt, time.monotonic() - started)
        except BaseException:
            if attempt not in current(partition):  # nobody has seen it
                store.delete_folder(uri)
            raise
        log.info("%s: %s published", partition, out.manifest.size())


@contextlib.contextmanager
def _lock(partition: Partition) -> Iterator[None]:
    """One writer: an OS lock, which a killed process lets go. Object stores have none: there the DAG's
    max_active_runs=1 keeps writers apart, and the pointer still makes the last one whole."""
    if not store.is_local(partition.uri):
        yield
        return
    path = store.local_path(partition.uri) / "_lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{partition}: another process is writing this partition; wait for it or stop it"
            ) from None
        file.write(str(os.getpid()))
        file.flush()
        yield
