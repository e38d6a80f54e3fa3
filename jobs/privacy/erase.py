"""Plan and delete one partition: first make it unreadable, then delete its files, so that a kill leaves no half.

A version that an alias of any room points at, or may go back to, is protected, and so are the towers that made it.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from jobs.lake import storage as store
from jobs.lake.alias import Promotion, all_histories, protected
from jobs.lake.fault import fault_point
from jobs.lake.manifest import EXPIRED, MANIFEST, POINTER, QUARANTINE
from jobs.lake.partitions import Partition
from jobs.lake.publish import HOUR_S, LOCK, partition_lock
from jobs.lake.read import pin, pointer
from jobs.privacy.limits import AgeLimits
from jobs.privacy.partition_folders import PartitionFolder

WHOLE, ASIDE = "whole", "quarantine"
Protected = dict[tuple[str, str], str]  # (address, attempt) -> why


@dataclass(frozen=True)
class Deletion:
    """The part of a partition to delete: all unprotected versions (WHOLE), or the quarantine of rejected lines (ASIDE).

    held: versions that stay, each with the reason.
    """

    folder: PartitionFolder
    what: str
    files: int
    bytes: int
    held: dict[str, str] = field(default_factory=dict)


def protected_versions() -> Protected:
    """Every version that must stay beyond its days, with the reason."""
    reasons: Protected = {}
    for alias, history in all_histories().items():
        for number, event in enumerate(protected(history)):
            why = f"{alias} may go back to it" if number else f"{alias} points at it"
            reasons.setdefault((event.partition, event.attempt), why)
            for towers in _towers_of(event):
                reasons.setdefault(towers, f"the towers of {event.partition}, bundle {event.id}")
    return reasons


def _towers_of(event: Promotion) -> list[tuple[str, str]]:
    """The towers that a bundle was made with: new days are embedded by them."""
    try:
        bundle = pin(Partition.parse(event.partition), attempt=event.attempt, even_stopped=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    inputs = bundle.manifest.inputs
    return [(source.partition, source.attempt) for source in inputs if source.partition.startswith("towers/")]


def plan_deletion(folder: PartitionFolder, limits: AgeLimits, versions: Protected) -> Deletion | None:
    """The part of a partition to delete; None when its days are not over."""
    over, raw = limits.expired(folder.table, folder.day), limits.raw_expired(folder.day)
    if not over and not raw:
        return None
    if store.is_link(folder.uri):
        return Deletion(folder, WHOLE, 1, 0) if over else None
    held, current = _held(folder, versions), pointer(folder.uri).get("attempt", "")
    due = [
        file
        for file in store.walk(folder.uri)
        if (over and _is_unprotected(file.name, held, current)) or (raw and limits.is_raw(file.name))
    ]
    if not due and (held or not over):
        return None
    return Deletion(folder, WHOLE if over else ASIDE, len(due), sum(file.bytes for file in due), held)


def erase(deletion: Deletion, versions: Protected) -> None:
    """Delete it while holding the partition's lock. Killed anywhere, the next call finishes.

    versions: those protected now, since a promotion may have come after the plan.

    Raises:
        BlockingIOError: another process is writing the partition.
    """
    folder, held = deletion.folder, _held(deletion.folder, versions)
    if store.is_link(folder.uri):  # of a trial, to another's
        store.delete_folder(folder.uri)
        store.delete_empty(folder.uri.rpartition("/")[0], folder.root)
        return
    with partition_lock(folder.uri, folder.address):
        _refuse_busy(folder)
        if deletion.what == WHOLE:
            _unpublish(folder, held)
        for name in store.folders(f"{folder.uri}/attempts"):
            _expire(f"{folder.uri}/attempts/{name}")
        if deletion.what == WHOLE and not held:
            _clear(folder)
    fault_point("retention.partition")


def _held(folder: PartitionFolder, versions: Protected) -> dict[str, str]:
    """The protected versions of a partition, each with the reason."""
    if folder.in_trial:
        return {}
    return {attempt: why for (address, attempt), why in versions.items() if address == folder.address}


def _unpublish(folder: PartitionFolder, held: dict[str, str]) -> None:
    """Delete the pointer first, so no reader resolves it; then each version, its manifest before its files."""
    if pointer(folder.uri).get("attempt", "") not in held:
        store.delete_file(f"{folder.uri}/{POINTER}")
    fault_point("retention.pointer")
    for name in store.folders(f"{folder.uri}/attempts"):
        if name not in held:
            store.delete_file(f"{folder.uri}/attempts/{name}/{MANIFEST}")
            fault_point("retention.manifest")
            store.delete_folder(f"{folder.uri}/attempts/{name}")
            fault_point("retention.attempt")


def _expire(uri: str) -> None:
    """Delete a version's raw lines. The mark comes first: a reader of rejected lines learns that nothing is damaged."""
    folders = store.folders(uri)
    for name in folders:
        if name.startswith("_"):
            store.delete_folder(f"{uri}/{name}")
    if QUARANTINE not in folders:
        return
    store.write_bytes(f"{uri}/{EXPIRED}", json.dumps({"roles": [QUARANTINE]}).encode())
    fault_point("retention.expired")
    store.delete_folder(f"{uri}/{QUARANTINE}")


def _clear(folder: PartitionFolder) -> None:
    """Delete whatever else is in the folder, the lock last: a writer that waits for it checks that it still exists."""
    for name in store.folders(folder.uri):
        store.delete_folder(f"{folder.uri}/{name}")
    for file in list(store.walk(folder.uri)):
        if file.name != LOCK:
            store.delete_file(f"{folder.uri}/{file.name}")
    store.delete_file(f"{folder.uri}/{LOCK}")
    store.delete_empty(folder.uri, folder.root)


def _refuse_busy(folder: PartitionFolder) -> None:
    """An object store has no lock: a version without a manifest that was touched lately may be a writer's."""
    if store.is_local(folder.uri):
        return
    keep_s = HOUR_S * float(os.environ.get("NIGHTSHELF_KEEP_HOURS", "24"))
    for name in store.folders(f"{folder.uri}/attempts"):
        files = list(store.walk(f"{folder.uri}/attempts/{name}"))
        if any(file.name == MANIFEST for file in files):
            continue
        if any(file.changed_s > time.time() - keep_s for file in files):
            raise BlockingIOError(f"{folder.address}: another process may be writing version {name}")


def _is_unprotected(name: str, held: dict[str, str], current: str) -> bool:
    if name in (LOCK, POINTER):
        return name == POINTER and current not in held
    return not (name.startswith("attempts/") and name.split("/")[1] in held)
