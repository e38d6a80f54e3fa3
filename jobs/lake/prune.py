"""Old versions: debris of killed jobs goes at once, replaced versions stay while a reader may hold them."""

from __future__ import annotations

import json
import os
import time

from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.alias import all_histories, protected
from jobs.lake.manifest import MANIFEST, POINTER
from jobs.lake.partitions import Partition

HOUR_S = 3600.0


def prune(partition: Partition) -> list[str]:
    """Delete what no reader can hold any more; the caller holds the partition's lock. Returns the names.

    Kept: the current version, versions that an alias points at or lately did (NIGHTSHELF_KEEP_BUNDLES),
    and replaced versions younger than NIGHTSHELF_KEEP_HOURS (24), the longest that a job may read. On an object store, which has no lock,
    a folder without a manifest may be another writer's: it is kept as long.
    """
    root = f"{partition.uri}/attempts"
    system, path = store.filesystem(root)
    folders = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    kept = current(partition) | held(partition)
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


def current(partition: Partition) -> set[str]:
    """The version that readers resolve now; empty before the first."""
    try:
        return {json.loads(store.read_bytes(f"{partition.uri}/{POINTER}"))["attempt"]}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def held(partition: Partition) -> set[str]:
    """Versions of this partition that an alias of any room points at, or lately did."""
    events = [event for history in all_histories().values() for event in protected(history)]
    return {event.attempt for event in events if event.partition == str(partition)}
