"""The lock of a partition: one writer at a time, and nobody deletes under a writer's hands."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jobs.lake import storage as store

LOCK = "_lock"


@contextlib.contextmanager
def locked(uri: str, name: str) -> Iterator[None]:
    """Hold the partition at a place: by an OS lock, which a killed process lets go. Object stores have none:
    there the DAG's max_active_runs=1 keeps writers apart, and the pointer still makes the last one whole.

    Raises:
        BlockingIOError: another process holds it; it passes, so Airflow tries again.
    """
    if not store.is_local(uri):
        yield
        return
    with _taken(store.local_path(uri) / LOCK, name) as file:
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(path: Path, name: str) -> IO[str]:
    """The lock's file, opened and locked, and still the one that others find under its name: `jobs.privacy.retention`
    removes it with the folder, and a lock on a removed file keeps nobody out."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # the folder was removed in between
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise BlockingIOError(
                f"{name}: another process is writing this partition; wait for it or stop it"
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.seek(0)
                file.truncate()
                return file
        file.close()
