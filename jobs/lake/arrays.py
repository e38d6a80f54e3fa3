"""Arrays in files, written so that a full disk is an error.

Measured with numpy 2: `np.save` and `tofile` write through C and report success with the tail missing when the disk
fills in the last block, and a memory map of a file without room kills the process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Writer(NamedTuple):
    """A file for `write_array` that it cannot hand to C, so that Python writes and sees every error."""

    write: Callable[[bytes], int]


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write a .npy file."""
    with path.open("wb") as file:
        np.lib.format.write_array(_Writer(file.write), values, allow_pickle=False)


def write_all(file: IO[bytes], values: NDArray[Any]) -> None:
    """Write the bytes of an array; a file without a buffer may take a part of them alone, and says so by its count.

    Raises:
        OSError: the disk is full.
    """
    # bytes of the array itself, not a copy of them
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    if file.write(data) != data.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def mapped_array(path: Path, shape: tuple[int, ...], kind: type) -> NDArray[Any]:
    """A new .npy file as a memory map, whose room on the disk is taken at once."""
    array = np.lib.format.open_memmap(path, "w+", kind, shape)
    take_room(path)
    return array


def take_room(path: Path) -> None:
    """Take the room of a file that was made by its length alone.

    Raises:
        OSError: the disk is full.
    """
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
