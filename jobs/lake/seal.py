"""Sealing an attempt: every file hashed and forced to disk, then the manifest, then the one pointer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.commands import command_of
from jobs.lake.fault import fault_point
from jobs.lake.manifest import ASIDE, MANIFEST, POINTER, FileEntry, Manifest, code_version, content_sha256

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# what a shop delivers lands as it is: a damaged file among others is set aside by the job that reads it
DELIVERED = ("log", "catalogue")


def seal(out: Attempt, args: DataclassInstance, attempt: str, seconds: float) -> Manifest:
    """Publish what the attempt's folder holds.

    Raises:
        RuntimeError: it holds no file.
    """
    if not store.is_local(out.uri):
        for name, _ in list(store.list_files(str(out.folder))):
            store.copy(str(out.folder / name), f"{out.uri}/{name}")
    # a name that begins with _ is never data: what engines leave there may still be written to
    listed = [found for found in store.list_files(out.uri) if not found[0].startswith("_")]
    files = [_entry(out, name, size) for name, size in listed]
    if not files:
        raise RuntimeError(f"{out.partition}: the job wrote no file; nothing is published")
    fault_point("publish.files_written")
    manifest = Manifest(
        partition=str(out.partition),
        table_version=out.partition.table.version,
        attempt=attempt,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        job=_job_name(args),
        args=spelled(args),
        inputs=[pinned.source for pinned in out.inputs],
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


def spelled(args: DataclassInstance) -> dict[str, str | int | float]:
    """Args as they stand on a command line: what a manifest and MLflow keep."""
    values = {field.name: getattr(args, field.name) for field in fields(args)}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}


def _job_name(args: DataclassInstance) -> str:
    return command_of(type(args).__module__)


def _entry(out: Attempt, name: str, size: int) -> FileEntry:
    uri = out.uri
    if store.is_local(uri):
        path = store.local_path(uri) / name
        store.fsync(path)
        store.fsync(path.parent)
    system, root = store.filesystem(uri)
    rows = None
    if name.endswith(".parquet"):
        try:
            rows = pq.read_metadata(f"{root}/{name}", filesystem=system).num_rows
        except (pa.ArrowException, OSError):
            if out.partition.name not in DELIVERED:
                raise
    folder = name.partition("/")[0]
    role = folder if folder in ASIDE else "data"
    return FileEntry(name, size, store.sha256(f"{uri}/{name}"), rows, role)
