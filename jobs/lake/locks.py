"""Locks of the operating system on files. A process that is killed lets go of them. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO


def file_lock(path: Path, wait: bool = True) -> IO[str]:
    """A lock file, made where it is missing and open for appending; the lock is held until the file is closed.

    It is still the one that others find under its name: `jobs.privacy.retention` deletes a partition's lock with its
    folder, and a lock on a deleted file keeps nobody out.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # the folder was deleted in between
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
