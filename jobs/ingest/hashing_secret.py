"""The secret that ids of people are hashed with: NIGHTSHELF_SALT, else one that this installation made for itself.

Hashes of one salt join from day to day; without it nobody can tell who they stand for. It is never logged, never an
argument and never in a manifest.
"""

from __future__ import annotations

import contextlib
import os
import secrets

from jobs.lake.partitions import lake_root
from jobs.lake.storage import is_local
from jobs.platform.tracking import home

FILE = "salt"


def hashing_secret() -> str:
    """The secret; made on first use, readable by its owner alone.

    Raises:
        ValueError: none is stated, and the lake is one that other machines share: each would make its own, and no
            person would be the same on two of them.
    """
    if stated := os.environ.get("NIGHTSHELF_SALT", ""):
        return stated
    if not is_local(lake_root()):
        raise ValueError(
            f"NIGHTSHELF_SALT is not set, and the lake at {lake_root()} is shared; set the same secret on every machine"
            " that runs jobs.ingest.impressions"
        )
    path = home() / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        attempt = path.with_name(f".{FILE}.{secrets.token_hex(4)}")
        attempt.touch(0o600, exist_ok=False)
        with attempt.open("w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        # whole or not at all, and the first of several processes wins
        with contextlib.suppress(FileExistsError):
            os.link(attempt, path)
        attempt.unlink()
    return path.read_text("ascii")
