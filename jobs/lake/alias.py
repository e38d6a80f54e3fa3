"""Moving names: `champion` points at one version of one index; only `jobs.serving.promote` moves it."""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from jobs.lake import storage as store
from jobs.lake.expiry import expired
from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition, lake_root
from jobs.lake.promotions import PROMOTED, Promotion, parse_name, render_name
from jobs.lake.read import Pinned, pin


def _uri(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z_]{0,63}", name, re.ASCII):
        raise ValueError(f"{name!r} is no pointer name: small letters and underscores only")
    return f"{lake_root()}/pointers/{name}.json"


def write_pointer(
    name: str, pinned: Pinned, how: str = PROMOTED, why: str = "", instead_of: str | None = None
) -> Promotion | None:
    """Move the name to this version, atomically; returns what it pointed at before.

    instead_of: sha256 of the manifest that the caller saw in service, empty for none.

    Raises:
        RuntimeError: the name points at another version by now.
    """
    with _lock(name):
        history = read_history(name)
        before = history[0] if history else None
        found = before.manifest_sha256 if before else ""
        if instead_of is not None and found != instead_of:
            raise RuntimeError(
                f"{name}: points at {found[:12] or 'nothing'} by now, expected"
                f" {instead_of[:12] or 'nothing'}: somebody else moved it; look, and move it again"
            )
        items = int(pinned.facts.get("items", 0))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        event = Promotion(**asdict(pinned.source), at=now, how=how, why=why, items=items)
        fault_point("pointer.before_write")
        store.write_bytes(_uri(name), render_name([event, *history]))
        fault_point("pointer.after_write")
    return before


def read_history(name: str) -> list[Promotion]:
    """What the name points at and has pointed at, the newest first; empty when it never did."""
    try:
        return parse_name(store.read_bytes(_uri(name)))
    except FileNotFoundError:
        return []


def read_pointer(name: str) -> Pinned:
    """The version that the name points at, pinned.

    Raises:
        LookupError: the name points nowhere yet.
        RuntimeError: the version it points at has changed since.
    """
    history = read_history(name)
    if not history:
        raise LookupError(
            f"{name}: points nowhere in the lake at {lake_root()}; "
            f"`make demo`, or `python -m jobs promote --help`, sets it"
        )
    return pin_promoted(history[0])


def pin_promoted(event: Promotion) -> Pinned:
    """The version of a promotion, pinned.

    Raises:
        LookupError: it was deleted.
        RuntimeError: its manifest was changed since.
    """
    try:
        pinned = pin(Partition.parse(event.partition), attempt=event.attempt)
    except (FileNotFoundError, NotADirectoryError):
        raise LookupError(
            f"{event.id}: bundle of {event.partition}, promoted {event.at}, was deleted since (kept are the"
            " last NIGHTSHELF_KEEP_BUNDLES, and what that day's partition holds now); take a later one"
        ) from None
    if pinned.manifest_sha256 != event.manifest_sha256:
        raise RuntimeError(
            f"{event.partition}: bundle {event.id} was changed since its promotion, its manifest is"
            f" {pinned.bundle_id} now; take another bundle"
        )
    return pinned


def check_sizes(pinned: Pinned) -> None:
    """Refuse a version of which a file is missing or of another size; `jobs.serving.verify` reads their content.

    Raises:
        RuntimeError: such a file.
    """
    there = dict(store.list_files(pinned.uri))
    for entry in pinned.manifest.files:
        if (found := there.get(entry.name)) != entry.bytes and not expired(pinned.uri, entry):
            said = "is missing" if found is None else f"has {found:,} bytes"
            raise RuntimeError(
                f"{pinned.partition}: bundle {pinned.bundle_id}: {entry.name} {said}, its manifest says"
                f" {entry.bytes:,} bytes; take another bundle"
            )


def has_pointer(name: str) -> bool:
    """Whether the name points anywhere."""
    return bool(read_history(name))


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """One mover at a time, for the milliseconds that it takes; an object store has no lock, and there the
    DAGs' max_active_runs=1 keeps movers apart."""
    uri = _uri(name)
    if not store.is_local(uri):
        yield
        return
    path = store.local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in path.parent.glob(f".{path.name}.*"):  # of a mover that was killed
            left.unlink(missing_ok=True)
        yield
