"""Clients who asked to be erased, by their keyed hash: every job that reads a log or orders leaves them out.

`python -m jobs erase` writes the list of its day first and deletes afterwards, so that a job that starts meanwhile
leaves them out too.
"""

from __future__ import annotations

import json

from jobs.lake import storage as store
from jobs.lake.partitions import ERASURES

LIST = "_clients.json"


def erased_clients() -> list[str]:
    """Hashes of all clients that were ever erased, sorted."""
    lists = [f"{ERASURES.uri}/{name}/{LIST}" for name in store.folders(ERASURES.uri)]
    return sorted({client for uri in lists if store.is_file(uri) for client in json.loads(store.read_bytes(uri))})
