"""The secret for hashing the ids of people: NIGHTSHELF_SALT, else a secret that this installation makes for itself.

Hashes with the same secret join from day to day; without it nobody can find out whose they are. The secret is never
logged, never an argument and never in a manifest. Manifests hold its fingerprint, by which a change is noticed.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets

from jobs.lake.partitions import lake_root
from jobs.lake.read import Pinned
from jobs.lake.storage import is_local
from jobs.platform.tracking import home

FILE = "salt"
FACT = "salt_fingerprint"


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


def fingerprint() -> str:
    """A name of the secret for manifests: a keyed hash of a constant, from which nobody learns the secret."""
    return hmac.digest(hashing_secret().encode(), b"nightshelf: fingerprint of the secret", "sha256").hex()[:16]


def changed_secret(earlier: Pinned | None, accepted: bool) -> str:
    """A sentence on the secret that an earlier day was hashed with, if it was another one; empty if it was this one.

    Raises:
        ValueError: it was another one, and nobody accepted that.
    """
    known = earlier.facts.get(FACT, "") if earlier else ""
    if earlier is None or known in ("", fingerprint()):
        return ""
    found = (
        f"{earlier.partition}: people were hashed with another secret (fingerprint {known}, now {fingerprint()}): its"
        " searchers are not counted any more, and queries that many people typed are dropped as rare"
    )
    if not accepted:
        raise ValueError(
            f"{found}; bring NIGHTSHELF_SALT, or the file {home() / FILE}, back from the backup. If that secret is lost,"
            " --accept_salt 1 begins to count anew"
        )
    return found
