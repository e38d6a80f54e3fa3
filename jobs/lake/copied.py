"""A version outside of the lake: copied with its manifest to a machine that serves it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.manifest import MANIFEST, Manifest
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned


@dataclass(frozen=True)
class Copied(Pinned):
    """A version that lies in a plain folder; its files are checked as in the lake."""

    folder: str

    @property
    def uri(self) -> str:
        """The folder of the copy."""
        return self.folder


def pin_copy(folder: str | Path, version: str = "") -> Copied:
    """Hold a copied version: a folder with a partition's files and its `_manifest.json`.

    version: first digits of its manifest's sha256 (of a bundle: its id), where the copy is to be that one.

    Raises:
        LookupError: the folder has no manifest.
        RuntimeError: it is another version.
    """
    try:
        data = store.read_bytes(f"{folder}/{MANIFEST}")
    except FileNotFoundError:
        raise LookupError(
            f"{folder}: no {MANIFEST} in it; copy all files of one version, the manifest included"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if not found.startswith(version):
        raise RuntimeError(f"{folder}: holds version {found[:12]}, expected {version}; copy it again")
    manifest = Manifest.from_json(data)
    return Copied(Partition.parse(manifest.partition), manifest, found, str(folder))
