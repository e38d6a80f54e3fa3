"""Publish a partition: fill a fresh attempt folder, commit it, move the pointer last; then delete what nobody can read.

No manifest, no partition. A job killed anywhere leaves the earlier version in place, and a folder that nobody reads and
that the next attempt deletes. One writer at a time holds the partition's lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.alias import all_histories, protected
from jobs.lake.attempt import Attempt, commit
from jobs.lake.disk import naming_full_disk
from jobs.lake.fault import fault_point
from jobs.lake.locks import file_lock
from jobs.lake.manifest import MANIFEST
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, attempt_uri, pointer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LOCK = "_lock"
HOUR_S = 3600.0
log = logging.getLogger(__name__)


@contextlib.contextmanager
def publish(partition: Partition, args: DataclassInstance, inputs: Sequence[Pinned] = ()) -> Iterator[Attempt]:
    """Open an attempt. When the block ends without an error, its content becomes the partition.

    Raises:
        BlockingIOError: another process is writing the same partition; it passes, so Airflow tries again.
        DiskFullError: a disk is full; the earlier version stays.
    """
    started = time.monotonic()
    with partition_lock(partition.uri, str(partition)), contextlib.ExitStack() as stack:
        prune(partition)
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
            with naming_full_disk(folder):
                yield out
                out.manifest = commit(out, args, attempt, time.monotonic() - started)
        except BaseException:
            if attempt != pointer(partition.uri).get("attempt"):  # no reader has resolved it
                store.delete_folder(uri)
            raise
        log.info("%s: %s published", partition, out.manifest.size())


@contextlib.contextmanager
def partition_lock(uri: str, name: str) -> Iterator[None]:
    """Hold the lock of the partition at a place, so that nobody writes or deletes it meanwhile.

    An object store has no locks. There the DAG's task `turn` keeps writers apart, and the pointer is still whole.

    Raises:
        BlockingIOError: another process holds it; it passes, so Airflow tries again.
    """
    with contextlib.ExitStack() as stack:
        if store.is_local(uri):
            try:
                file = stack.enter_context(file_lock(store.local_path(uri) / LOCK, wait=False))
            except BlockingIOError:
                raise BlockingIOError(
                    f"{name}: another process is writing this partition; wait for it or stop it"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def prune(partition: Partition) -> list[str]:
    """Delete versions that no reader can hold any more, and return their names. The caller holds the partition's lock.

    Kept are the current version, versions that an alias points at or may go back to, and replaced versions younger than
    NIGHTSHELF_KEEP_HOURS (24), the longest that a job may read. An object store has no lock, so there a folder without a
    manifest may be another writer's: it is kept as long.
    """
    root = f"{partition.uri}/attempts"
    system, path = store.filesystem(root)
    folders = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    kept = {pointer(partition.uri).get("attempt"), *held(partition)}
    keep_s = HOUR_S * float(os.environ.get("NIGHTSHELF_KEEP_HOURS", "24"))
    gone = []
    for info in folders:
        whole = system.get_file_info(f"{info.path}/{MANIFEST}").type == fs.FileType.File
        debris = not whole and store.is_local(root)
        old = (info.mtime_ns or 0) / 1e9 < time.time() - keep_s
        if info.base_name in kept or not (debris or old):
            continue
        if info.base_name not in held(partition):  # asked again: a promotion may have come between
            store.delete_folder(f"{root}/{info.base_name}")
            gone.append(info.base_name)
    return gone


def held(partition: Partition) -> set[str]:
    """Versions of this partition that an alias of any room points at, or lately did."""
    events = [event for history in all_histories().values() for event in protected(history)]
    return {event.attempt for event in events if event.partition == str(partition)}
