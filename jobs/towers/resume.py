"""Unfinished work from which a killed job continues: a folder under NIGHTSHELF_HOME, deleted after publishing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.lake.arrays import write_all
from jobs.lake.attempt import spelled
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.platform.tracking import home
from models.ann.exact import Rows, Vectors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)
CHUNK = 16_384  # vectors in memory at a time
Arrays = dict[str, NDArray[np.generic]]


def resume_key(args: DataclassInstance, inputs: Iterable[Pinned], *more: object) -> str:
    """Hash of settings, inputs and whatever else decides the result: work of another key is not continued."""
    contents = [source.manifest.content_sha256 for source in inputs]
    return hashlib.sha256(json.dumps([spelled(args), contents, *more], sort_keys=True).encode()).hexdigest()


class Scratch:
    """The folder of a partition. Work of other arguments, inputs or devices, by `key`, is deleted."""

    def __init__(self, partition: Partition, args: DataclassInstance, inputs: Iterable[Pinned]) -> None:
        self.key = resume_key(args, inputs, torch.cuda.is_available())
        name = str(partition).replace("/", ",")
        self.folder = home() / "scratch" / name
        key_file = self.folder / "key"
        if not key_file.is_file() or key_file.read_text("utf-8") != self.key:
            if self.folder.exists():
                log.warning("%s: of other inputs or settings; the job starts anew", self.folder)
            self.remove()
            self.folder.mkdir(parents=True)
            key_file.write_text(self.key, "utf-8")

    def arrays(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays by name; read back where they were made before, else made and written atomically."""
        path = self.folder / f"{name}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        made = make()
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            np.savez(file, **made)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return made

    def vectors(self, name: str, rows: int, dim: int) -> VectorFile:
        """A file for vectors [rows, dim], with those appended before."""
        return VectorFile(self.folder / f"{name}.f32", rows, dim)

    def remove(self) -> None:
        """Delete it, when the partition is published."""
        shutil.rmtree(self.folder, ignore_errors=True)


class VectorFile:
    """Vectors [N, D] in a file, read by slice or by row; only those rows are in memory."""

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self.path, self.done_path = path, path.with_suffix(".done")
        self.shape = (rows, dim)

    @property
    def done(self) -> int:
        """Vectors appended so far, and safely on disk."""
        return int(self.done_path.read_text("utf-8")) if self.done_path.is_file() else 0

    def append(self, vectors: Vectors) -> None:
        """Write the next rows; rows of a killed write are written again."""
        start = self.done
        with self.path.open("r+b" if start else "wb") as file:
            file.seek(4 * start * self.shape[1])
            write_all(file, np.ascontiguousarray(vectors, np.float32))
            file.flush()
            os.fsync(file.fileno())
        self._write_done(start + len(vectors))

    def __getitem__(self, part: slice) -> Vectors:
        start, stop, _ = part.indices(self.shape[0])
        count, row = max(0, stop - start) * self.shape[1], 4 * self.shape[1]
        values = np.fromfile(self.path, np.float32, count, offset=start * row)
        if len(values) != count:
            raise RuntimeError(f"{self.path}: ends before row {stop:,}; is the disk sound?")
        return values.reshape(-1, self.shape[1])

    def take(self, rows: Rows) -> Vectors:
        """Rows in the order given, by one pass over the file: pages of a memory map would count as memory."""
        order = np.argsort(rows, kind="stable")
        taken = np.empty((len(rows), self.shape[1]), np.float32)
        edges = np.searchsorted(rows[order], np.arange(0, self.shape[0] + CHUNK, CHUNK))
        for number in np.flatnonzero(np.diff(edges)).tolist():
            part = order[edges[number] : edges[number + 1]]
            taken[part] = self[number * CHUNK : (number + 1) * CHUNK][rows[part] - number * CHUNK]
        return taken

    def fill(self, source: VectorFile, order: Rows) -> None:
        """Write the rows of another file in another order: row i is the other's row order[i]."""
        if self.done == len(order):
            return
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        with self.path.open("wb", buffering=0) as file:
            for start in range(0, len(order), CHUNK):
                to = place[start : start + CHUNK]
                sort = np.argsort(to)
                vectors, to = source[start : start + CHUNK][sort], to[sort]
                # neighbouring rows are written at once
                edges = np.flatnonzero(np.diff(to, prepend=-2, append=-2) != 1).tolist()
                for first, last in pairwise(edges):
                    file.seek(4 * self.shape[1] * int(to[first]))
                    write_all(file, vectors[first:last])
            os.fsync(file.fileno())
        self._write_done(len(order))

    def _write_done(self, done: int) -> None:
        fresh = self.done_path.with_suffix(".new")
        fresh.write_text(str(done), "utf-8")
        fresh.replace(self.done_path)
