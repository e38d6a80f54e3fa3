"""Locks of the operating system on files. A process that is killed lets go of them. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import time
from pathlib import Path
from typing import IO

SPEAK_S, POLL_S = 2.0, 0.1
log = logging.getLogger(__name__)


def file_lock(path: Path, wait: bool = True, limit_s: float = math.inf) -> IO[str]:
    """A lock file, made where it is missing and open for appending; the lock is held until the file is closed.

    Who waits says so in the log, and gives up after `limit_s`.

    It is still the one that others find under its name: `jobs.privacy.retention` deletes a partition's lock with its
    folder, and a lock on a deleted file keeps nobody out.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
        TimeoutError: another process held it for longer than `limit_s`.
    """
    started = time.monotonic()
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # the folder was deleted in between
            continue
        try:
            _lock(file, path, limit_s if wait else 0, started)
        except OSError:
            file.close()
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _lock(file: IO[str], path: Path, limit_s: float, started: float) -> None:
    """Take the lock of an open file; ask again until the limit."""
    spoken = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited_s = time.monotonic() - started
            if not limit_s:
                raise
            if waited_s > limit_s:
                raise TimeoutError(
                    f"{path}: another process has held this lock for {limit_s:g} s; does it hang?"
                ) from None
            if waited_s > SPEAK_S and not spoken:
                log.info("%s: another process has it; waiting", path)
                spoken = True
            time.sleep(POLL_S)
        else:
            return
