"""A bounded sample of a raw file as it streams by: its head, its tail, and a few lines of every block between.

Head and tail see a change that begins or ends in mid-file however short the rest is; the blocks between see one that
comes and goes. When they grow too many every second one is forgotten, so that they stay evenly spread.
"""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

import pyarrow as pa

HEAD = TAIL = 2_000  # lines
RUN = 50  # lines of a block between
MOST = 80  # blocks between
RUN_BYTES = 1 << 16
T = TypeVar("T")


class Runs(Generic[T]):
    """Runs of consecutive records, evenly thinned."""

    def __init__(self) -> None:
        self._runs: list[list[T]] = []
        self._stride, self._seen = 1, 0

    def offer(self) -> bool:
        """Whether the next block is wanted."""
        wanted = self._seen % self._stride == 0
        self._seen += 1
        return wanted

    def add(self, run: list[T]) -> None:
        """Keep a run; when there are too many, every second one goes."""
        self._runs.append(run)
        if len(self._runs) > MOST:
            self._runs = self._runs[::2]
            self._stride *= 2

    def all(self) -> list[T]:
        """What is left."""
        return [one for run in self._runs for one in run]


class Lines:
    """Lines of a text file, from blocks of whole lines."""

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._between: Runs[bytes] = Runs()
        self._last: list[bytes] = []  # blocks that may be the tail

    def block(self, block: bytes) -> None:
        """Take the next block."""
        if not self._head:
            lines = block.split(b"\n", HEAD)
            self._head, block = lines[:HEAD], lines[HEAD] if len(lines) > HEAD else b""
        if not block:
            return
        self._last.append(block)
        # the tail is that of the last blocks; what is surely before it is drawn from
        while len(self._last) > 2:
            self._draw(self._last.pop(0))

    def _draw(self, block: bytes) -> None:
        if self._between.offer():
            *lines, _ = block[:RUN_BYTES].split(b"\n", RUN)
            self._between.add(lines)

    def close(self) -> list[bytes]:
        """The sample."""
        lines = b"\n".join(self._last).rsplit(b"\n", TAIL)
        if len(lines) > TAIL:
            self._draw(lines.pop(0))
        return self._head + self._between.all() + lines


class Rows:
    """Rows of a Parquet file, from record batches."""

    def __init__(self) -> None:
        self._head: list[dict[str, Any]] = []
        self._between: Runs[dict[str, Any]] = Runs()
        self._last: pa.RecordBatch | None = None

    def batch(self, batch: pa.RecordBatch) -> None:
        """Take the next batch."""
        if not self._head:
            self._head = _dicts(batch.slice(0, HEAD))
            batch = batch.slice(HEAD)
        if self._last is not None:
            self._draw(self._last)
        self._last = batch

    def _draw(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows and self._between.offer():
            self._between.add(_dicts(batch.slice(0, RUN)))

    def close(self) -> list[dict[str, Any]]:
        """The sample."""
        if self._last is None:
            return self._head
        before = max(0, self._last.num_rows - TAIL)
        self._draw(self._last.slice(0, before))
        return self._head + self._between.all() + _dicts(self._last.slice(before))


def _dicts(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dictionaries; none of those whose text no reader could decode."""
    try:
        found: list[dict[str, Any]] = rows.to_pylist(maps_as_pydicts="lossy")
    except (UnicodeDecodeError, pa.ArrowException):
        return []
    return found


def cut_off(line: bytes) -> bool:
    """Whether the last line of a file, which no newline ends, is the beginning of a JSON record."""
    start = line.find(b"{")
    if start < 0 or not line.strip():
        return False
    try:
        json.loads(line[start:].rstrip())
    except UnicodeDecodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return False
