"""Errors of a full disk that name the path and the bytes. Standard library only.

Most libraries leave one of the two out: a Python file object the path, FAISS and Spark the disk, numpy even the reason.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# of Python, Java, FAISS and Arrow; of safetensors, which is Rust; of numpy's tofile
_WORDS = re.compile(
    r"No space left|quota exceeded|File too large|os error (27|28|122)\b|requested and \d+ written", re.IGNORECASE
)


class DiskFullError(OSError):
    """A disk is full; the message names the folder that was written to, its bytes and those that are free."""


@contextlib.contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Context of a writer of a folder.

    Raises:
        DiskFullError: in place of any error of a full disk.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_full(error):
            raise
        written = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        places = f"{folder} ({written:,} bytes written, {_free(folder)}), {tempfile.gettempdir()} ({_free(tempfile.gettempdir())})"
        raise DiskFullError(f"disk full: {places}: {_first_line(error)}; make room and clear the task") from error


def is_full(error: BaseException) -> bool:
    """Whether a full disk, a quota or a limit of file size is behind an error."""
    return getattr(error, "errno", None) in FULL or _WORDS.search(str(error)) is not None


def _free(folder: str | Path) -> str:
    """Free bytes where a folder is, or will be."""
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    return f"{shutil.disk_usage(place).free:,} bytes free"


def _first_line(error: BaseException) -> str:
    line = _WORDS.search(str(error))
    return line[0] if line else os.strerror(getattr(error, "errno", 0) or 0)
