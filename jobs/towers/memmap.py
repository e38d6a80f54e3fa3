"""Arrays that are dear to make, kept as files under NIGHTSHELF_HOME/stores and mapped into memory.

A store is a folder of .npy files and a seal with their checksums. It is written under another name and
renamed when it is whole; one that is damaged is made again. Any of them may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from jobs.platform.tracking import home
from models.text.ragged import Ragged, empty

log = logging.getLogger(__name__)
SEAL, VALUES, OFFSETS = "seal.json", "values.npy", "offsets.npy"
FRESH = ".new"
KEPT = 16  # stores of one machine, unless NIGHTSHELF_STORES says otherwise


def kept(name: str, key: Mapping[str, object], parts: Callable[[], Iterable[Ragged]]) -> Ragged:
    """Open the store of a key; where there is none, write it from parts, one in memory at a time.

    key: all that decides the content. The first part's type of values is that of the file. Processes
    of one machine that want the same store wait for the first of them to make it.
    """
    said = json.dumps(key, sort_keys=True, ensure_ascii=False)
    folder = home() / "stores" / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:24]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (found := _opened(folder)) is not None:
        return found
    with _alone(folder):
        found = _opened(folder)  # another process may just have made it
        if found is None:
            _write(folder, parts())
            found = _opened(folder)
            if found is None:
                raise RuntimeError(f"{folder}: damaged as soon as written; is the disk sound?")
            _prune(folder)
    return found


@contextmanager
def _alone(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a store; False where another process holds it and there is no waiting."""
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def _opened(folder: Path) -> Ragged | None:
    """The store, or None where there is none, or a damaged one, or it is just being replaced."""
    try:
        seal: dict[str, str] = json.loads((folder / SEAL).read_text("utf-8"))
        if {name: _sha256(folder / name) for name in (VALUES, OFFSETS)} != seal:
            log.warning("%s: not as it was written; it is made again", folder)
            return None
        os.utime(folder)  # used last: pruned last
        values, offsets = (np.load(folder / name, mmap_mode="r") for name in (VALUES, OFFSETS))
    except FileNotFoundError:
        return None
    return Ragged(values, offsets)


def _write(folder: Path, parts: Iterable[Ragged]) -> None:
    fresh = folder.parent / f".{folder.name}{FRESH}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        with (fresh / VALUES).open("wb") as values, (fresh / OFFSETS).open("wb") as offsets:
            _fill(values, offsets, parts)
            for file in (values, offsets):
                os.fsync(file.fileno())
        seal = {name: _sha256(fresh / name) for name in (VALUES, OFFSETS)}
        (fresh / SEAL).write_text(json.dumps(seal), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def spilled(parts: Iterable[Ragged]) -> Ragged:
    """The rows of all parts in files without a name, which are gone with the last who reads them."""
    stores = home() / "stores"
    stores.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=stores) as values, TemporaryFile(dir=stores) as offsets:
        _fill(values, offsets, parts)
        return Ragged(_mapped(values), _mapped(offsets))


def _fill(values: IO[bytes], offsets: IO[bytes], parts: Iterable[Ragged]) -> None:
    """Write two .npy files, one part in memory at a time."""
    kind: np.dtype[Any] = np.dtype(np.int32)
    total, rows = 0, 0
    for number, part in enumerate(chain(parts, [empty(0)])):
        if not number:
            kind = part.values.dtype
            _header(values, kind, 0)
            _header(offsets, np.dtype(np.int64), 0)
            offsets.write(np.zeros(1, np.int64).tobytes())
        values.write(np.ascontiguousarray(part.values, kind).tobytes())
        offsets.write((np.asarray(part.offsets[1:], np.int64) + total).tobytes())
        total, rows = total + len(part.values), rows + len(part)
    # as long as the headers of no rows: the format leaves room for the digits
    values.seek(0)
    _header(values, kind, total)
    offsets.seek(0)
    _header(offsets, np.dtype(np.int64), rows + 1)
    values.flush()
    offsets.flush()


def _mapped(file: IO[bytes]) -> NDArray[Any]:
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return np.memmap(file, dtype, "r", file.tell(), shape)


def _header(file: IO[bytes], dtype: np.dtype[Any], count: int) -> None:
    said = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, said)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prune(newest: Path) -> None:
    """Delete what was used longest ago; a process that has it open still reads it to the end."""
    most = int(os.environ.get("NIGHTSHELF_STORES", KEPT))
    for left in newest.parent.glob(f".*{FRESH}"):  # of processes that were killed
        with _alone(left.with_name(left.name[1 : -len(FRESH)]), wait=False) as alone:
            if alone:
                shutil.rmtree(left, ignore_errors=True)
    stores = [path for path in newest.parent.iterdir() if (path / SEAL).is_file()]
    for old in sorted(stores, key=_last_used, reverse=True)[max(most, 1) :]:
        if old != newest:
            log.info("%s: deleted; NIGHTSHELF_STORES keeps %d", old, most)
            shutil.rmtree(old, ignore_errors=True)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def narrowed(part: Ragged, largest: int) -> Ragged:
    """The same rows, in two bytes a value where `largest` allows."""
    kind: type[np.integer[Any]] = np.uint16 if largest < 1 << 16 else np.int32
    return Ragged(part.values.astype(kind), part.offsets)
