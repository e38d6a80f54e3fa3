"""Moving names: `champion` points at one version of one index; only `jobs.promote` moves it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

from jobs import store
from jobs.lake import Partition, lake_root
from jobs.reading import Pinned, pin


def _uri(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z_]{0,63}", name, re.ASCII):
        raise ValueError(f"{name!r} is no pointer name: small letters and underscores only")
    return f"{lake_root()}/pointers/{name}.json"


def write_pointer(name: str, pinned: Pinned) -> None:
    """Move the name to this version, atomically."""
    store.write_bytes(_uri(name), json.dumps(asdict(pinned.source), indent=1).encode())


def read_pointer(name: str) -> Pinned:
    """The version that the name points at, pinned.

    Raises:
        LookupError: the name points nowhere yet.
        RuntimeError: the version it points at has changed since.
    """
    try:
        found = json.loads(store.read_bytes(_uri(name)))
    except FileNotFoundError:
        raise LookupError(
            f"{name}: points nowhere in the lake at {lake_root()}; "
            f"`make demo`, or `python -m jobs.promote --help`, sets it"
        ) from None
    pinned = pin(Partition.parse(found["partition"]), attempt=found["attempt"])
    if pinned.manifest_sha256 != found["manifest_sha256"]:
        raise RuntimeError(
            f"{name}: the manifest of {found['partition']} was changed since promotion"
        )
    return pinned


def has_pointer(name: str) -> bool:
    """Whether the name points anywhere."""
    return any(found == f"{name}.json" for found, _ in store.list_files(f"{lake_root()}/pointers"))
