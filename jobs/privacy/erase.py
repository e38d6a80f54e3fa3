"""What of a partition must go, and how it goes: unreadable first, then its files, so that a kill leaves no half."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from jobs.lake import storage as store
from jobs.lake.fault import fault_point
from jobs.lake.lock import LOCK, locked
from jobs.lake.manifest import EXPIRED, MANIFEST, POINTER, QUARANTINE
from jobs.lake.prune import HOUR_S
from jobs.privacy.holds import Holds
from jobs.privacy.limits import Limits
from jobs.privacy.partition_folders import Place

WHOLE, ASIDE = "whole", "quarantine"


@dataclass(frozen=True)
class Doomed:
    """A partition of which something must go. what: all that is not held, or the quarantine of rejected
    lines; held: its versions that stay, with the reason."""

    place: Place
    what: str
    files: int
    bytes: int
    held: dict[str, str] = field(default_factory=dict)


def doomed(place: Place, limits: Limits, holds: Holds) -> Doomed | None:
    """What must go of a partition; None when its days are not over."""
    over, raw = limits.over(place.table, place.day), limits.raw_over(place.day)
    if not over and not raw:
        return None
    held = held_of(place, holds)
    if store.is_link(place.uri):
        return Doomed(place, WHOLE, 1, 0) if over else None
    pointed = _current(place)
    gone = [
        found
        for found in store.walk(place.uri)
        if (over and _unheld(found.name, held, pointed)) or (raw and limits.holds_raw(found.name))
    ]
    if not gone and (held or not over):
        return None
    sizes = sum(found.bytes for found in gone)
    return Doomed(place, WHOLE if over else ASIDE, len(gone), sizes, held)


def held_of(place: Place, holds: Holds) -> dict[str, str]:
    """The versions of a partition that a moving name holds."""
    if place.in_trial:
        return {}
    return {attempt: why for (address, attempt), why in holds.items() if address == place.address}


def erase(one: Doomed, holds: Holds) -> None:
    """Delete it, holding the partition's lock. Killed anywhere, the next call finishes.

    holds: as it is now, for a promotion may have come since it was doomed.

    Raises:
        BlockingIOError: somebody is writing the partition.
    """
    place, held = one.place, held_of(one.place, holds)
    if store.is_link(place.uri):  # of a trial, to another's
        store.delete_folder(place.uri)
        store.delete_empty(_parent(place.uri), place.root)
        return
    with locked(place.uri, place.address):
        _refuse_written(place)
        if one.what == WHOLE:
            _unpublish(place, held)
        for name in store.folders(f"{place.uri}/attempts"):
            _expire(f"{place.uri}/attempts/{name}")
        if one.what == WHOLE and not held:
            _clear(place)
    fault_point("retention.partition")


def _unpublish(place: Place, held: dict[str, str]) -> None:
    """No reader finds it from the pointer on; nor by its version, from the manifest on."""
    if _current(place) not in held:
        store.delete_file(f"{place.uri}/{POINTER}")
    fault_point("retention.pointer")
    for name in store.folders(f"{place.uri}/attempts"):
        if name not in held:
            store.delete_file(f"{place.uri}/attempts/{name}/{MANIFEST}")
            fault_point("retention.manifest")
            store.delete_folder(f"{place.uri}/attempts/{name}")
            fault_point("retention.attempt")


def _expire(uri: str) -> None:
    """Take a version's raw lines away; a reader of rejected ones is told that nothing is damaged."""
    folders = store.folders(uri)
    for name in folders:
        if name.startswith("_"):
            store.delete_folder(f"{uri}/{name}")
    if QUARANTINE not in folders:
        return
    store.write_bytes(f"{uri}/{EXPIRED}", json.dumps({"roles": [QUARANTINE]}).encode())
    fault_point("retention.expired")
    store.delete_folder(f"{uri}/{QUARANTINE}")


def _clear(place: Place) -> None:
    """Whatever else lies there, the lock last: a writer who waits for it looks whether it is still there."""
    for name in store.folders(place.uri):
        store.delete_folder(f"{place.uri}/{name}")
    for found in list(store.walk(place.uri)):
        if found.name != LOCK:
            store.delete_file(f"{place.uri}/{found.name}")
    store.delete_file(f"{place.uri}/{LOCK}")
    store.delete_empty(place.uri, place.root)


def _refuse_written(place: Place) -> None:
    """An object store has no lock: a version without a manifest that was touched lately may be a writer's."""
    if store.is_local(place.uri):
        return
    keep_s = HOUR_S * float(os.environ.get("NIGHTSHELF_KEEP_HOURS", "24"))
    for name in store.folders(f"{place.uri}/attempts"):
        files = list(store.walk(f"{place.uri}/attempts/{name}"))
        if any(found.name == MANIFEST for found in files):
            continue
        if any(found.changed_s > time.time() - keep_s for found in files):
            raise BlockingIOError(f"{place.address}: another process may be writing version {name}")


def _current(place: Place) -> str:
    try:
        return str(json.loads(store.read_bytes(f"{place.uri}/{POINTER}"))["attempt"])
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _unheld(name: str, held: dict[str, str], pointed: str) -> bool:
    if name in (LOCK, POINTER):
        return name == POINTER and pointed not in held
    return not (name.startswith("attempts/") and name.split("/")[1] in held)


def _parent(uri: str) -> str:
    return uri.rpartition("/")[0]
