"""The secret for hashing the ids of people: NIGHTSHELF_SALT, else a secret that this installation makes for itself.

Hashes with the same secret join from day to day; without it nobody can find out whose they are. The secret is never
logged, never an argument and never in a manifest.
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
    """Return the secret; made on first use, readable by its owner alone.

    Raises:
        ValueError: NIGHTSHELF_SALT is not set and other machines share the lake. Each machine would make a secret of
            its own, and the hashes of one person would differ between machines.
    """
    if given := os.environ.get("NIGHTSHELF_SALT", ""):
        return given
    if not is_local(lake_root()):
        raise ValueError(
            f"NIGHTSHELF_SALT is not set, and the lake at {lake_root()} is shared; set the same secret on every machine"
            " that runs `python -m jobs impressions`"
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
        # the link appears with the complete file, and the first of several processes wins
        with contextlib.suppress(FileExistsError):
            os.link(attempt, path)
        attempt.unlink()
    return path.read_text("ascii")
