"""An open attempt at a partition: a job fills it, and `commit` makes it the partition."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.arrow_schema import conform
from jobs.lake.commands import command_of
from jobs.lake.fault import fault_point
from jobs.lake.manifest import (
    ASIDE,
    MANIFEST,
    POINTER,
    Accounting,
    FileEntry,
    Manifest,
    Source,
    code_version,
    content_sha256,
)
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pyspark.sql import DataFrame

# a shop's delivery is published as it is: the job that reads it sets a damaged file aside
DELIVERED = ("log", "catalogue", "orders")
PARQUET_TAIL_BYTES = 8  # length of the footer, magic


class Attempt:
    """A version in the making: files in `folder`, figures in `facts`, row counts through `count`."""

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
        # the version that this one repeats without some rows: its job, args and inputs stay
        self.again: Manifest | None = None

    def count(self, unit: str, rows_in: int, rows_out: int, dropped: dict[str, int]) -> None:
        """Account for every input row; RuntimeError when the rows do not add up."""
        self.accounting.append(Accounting(unit, rows_in, rows_out, dropped))

    def write_table(self, table: pa.Table, name: str = "part-00000.parquet") -> None:
        """Write one Parquet file with page checksums, cast to the table's columns."""
        rows = conform(table, self.partition.table)
        pq.write_table(rows, self.folder / name, compression="zstd", write_page_checksum=True)

    def write_spark(self, frame: DataFrame, by: Sequence[str], files: int = 1, parted: bool = False) -> None:
        """Write a Spark frame as `files` Parquet files, hashed and sorted by `by`.

        So a re-run makes the same data, whatever order the shuffle delivered. parted: it is hashed already, and each
        part becomes a file. A second write replaces the first.
        """
        if frame.columns != list(self.partition.table.columns):
            expected = list(self.partition.table.columns)
            raise ValueError(f"{self.partition}: found columns {frame.columns}, expected {expected}")
        parts = frame if parted else frame.repartition(files, *by)
        self._write_spark(parts.sortWithinPartitions(*by), "", "part")

    def quarantine(self, frame: DataFrame, by: Sequence[str]) -> None:
        """Write rejected rows beside the data; they are never read as data."""
        self._write_spark(frame.coalesce(1).sortWithinPartitions(*by), "quarantine/", "rejected")

    def _write_spark(self, frame: DataFrame, folder: str, stem: str) -> None:
        scratch = f"{self.uri}/_spark"
        frame.write.mode("overwrite").option("compression", "zstd").parquet(store.spark_uri(scratch))
        system, root = store.filesystem(self.uri)
        parts = [name for name, _ in store.list_files(scratch) if name.endswith(".parquet")]
        for name, _ in list(store.list_files(self.uri)):
            if name.startswith(f"{folder}{stem}-"):
                store.delete_file(f"{self.uri}/{name}")
        if folder:
            system.create_dir(f"{root}/{folder}")
        for number, name in enumerate(parts):
            target = f"{folder}{stem}-{number:05d}.parquet"
            system.move(f"{root}/_spark/{name}", f"{root}/{target}")
        store.delete_folder(scratch)


def commit(out: Attempt, args: DataclassInstance, attempt: str, seconds: float) -> Manifest:
    """Hash every file and force it to disk, then write the manifest, then move the pointer.

    Raises:
        RuntimeError: the attempt has no file.
    """
    if not store.is_local(out.uri):
        for name, _ in list(store.list_files(str(out.folder))):
            store.copy(str(out.folder / name), f"{out.uri}/{name}")
    # names that begin with _ are never data: engines may still write to them
    files = [_entry(out, name, size) for name, size in list(store.list_files(out.uri)) if not name.startswith("_")]
    if not files:
        raise RuntimeError(f"{out.partition}: the job wrote no file; nothing is published")
    fault_point("publish.files_written")
    job, settings, inputs = _origin(out, args)
    manifest = Manifest(
        partition=str(out.partition),
        table_version=out.partition.table.version,
        attempt=attempt,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        job=job,
        args=settings,
        inputs=inputs,
        files=files,
        rows=sum(entry.rows or 0 for entry in files if entry.role == "data"),
        accounting=out.accounting,
        facts=out.facts,
        simulated=out.simulated,
        code_version=code_version(),
        mlflow_run_id=out.mlflow_run_id,
        seconds=round(seconds, 3),
        content_sha256=content_sha256(files),
    )
    data = manifest.to_json()
    store.write_bytes(f"{out.uri}/{MANIFEST}", data)
    fault_point("publish.before_pointer")
    pointer = {"attempt": attempt, "manifest_sha256": hashlib.sha256(data).hexdigest()}
    store.write_bytes(f"{out.partition.uri}/{POINTER}", json.dumps(pointer).encode())
    fault_point("publish.after_pointer")
    return manifest


def _origin(out: Attempt, args: DataclassInstance) -> tuple[str, dict[str, Any], list[Source]]:
    """Job, settings and inputs of a version; of one that repeats another, those of the other."""
    if again := out.again:
        return again.job, again.args, again.inputs
    return command_of(type(args).__module__), dict(spelled(args)), [pinned.source for pinned in out.inputs]


def spelled(args: DataclassInstance) -> dict[str, str | int | float]:
    """Args as on a command line, for the manifest and MLflow."""
    values = {field.name: getattr(args, field.name) for field in fields(args)}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}


def _entry(out: Attempt, name: str, size: int) -> FileEntry:
    uri = f"{out.uri}/{name}"
    if store.is_local(uri):
        store.fsync(store.local_path(uri))
        store.fsync(store.local_path(uri).parent)
    folder = name.partition("/")[0]
    role = folder if folder in ASIDE else "data"
    try:
        rows, schema, data_bytes = _parquet(uri, size) if name.endswith(".parquet") else (None, "", 0)
    except (pa.ArrowException, OSError):
        if out.partition.name not in DELIVERED:
            raise
        rows, schema, data_bytes = None, "", 0
    data, whole = store.sha256_parts(uri, data_bytes)
    content = hashlib.sha256(f"{schema}\n{data}".encode()).hexdigest() if data_bytes else ""
    return FileEntry(name, size, whole, rows, role, content)


def _parquet(uri: str, size: int) -> tuple[int, str, int]:
    """Rows and schema of a Parquet file, and the bytes before its footer: all its data pages."""
    system, path = store.filesystem(uri)
    with system.open_input_file(path) as file:
        footer = pq.read_metadata(file)
        schema = footer.schema.to_arrow_schema().remove_metadata()
    return footer.num_rows, str(schema), size - footer.serialized_size - PARQUET_TAIL_BYTES
