"""Bounded sample of a raw file as it streams by: its head, its tail, and a few lines of blocks in between.

Head and tail show a change that starts or ends in the middle of the file, however short the rest is. The blocks in
between show a change that comes and goes. If there are too many blocks, every second one is dropped, so that they stay
evenly spread.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pyarrow as pa

from jobs.ingest.record_forms import read_records

HEAD = TAIL = 2_000  # lines
RUN = 50  # lines sampled per block
MAX_RUNS = 80  # blocks sampled
RUN_BYTES = 1 << 16
T = TypeVar("T")


class SampledRuns(Generic[T]):
    """Runs of consecutive records, thinned evenly."""

    def __init__(self) -> None:
        self._runs: list[list[T]] = []
        self._stride, self._seen = 1, 0

    def offer(self) -> bool:
        """Return whether to sample the next block."""
        wanted = self._seen % self._stride == 0
        self._seen += 1
        return wanted

    def add(self, run: list[T]) -> None:
        """Keep a run; drop every second one if there are too many."""
        self._runs.append(run)
        if len(self._runs) > MAX_RUNS:
            self._runs = self._runs[::2]
            self._stride *= 2

    def all(self) -> list[T]:
        """Records of all runs."""
        return [record for run in self._runs for record in run]


class LineSample:
    """Sample of a text file that arrives in blocks of whole lines."""

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._between: SampledRuns[bytes] = SampledRuns()
        self._last: list[bytes] = []  # blocks that may hold the tail

    def block(self, block: bytes) -> None:
        """Add the next block."""
        if not self._head:
            lines = block.split(b"\n", HEAD)
            self._head, block = lines[:HEAD], lines[HEAD] if len(lines) > HEAD else b""
        if not block:
            return
        self._last.append(block)
        # the last two blocks hold the tail; sample every block before them
        while len(self._last) > 2:
            self._draw(self._last.pop(0))

    def _draw(self, block: bytes) -> None:
        if self._between.offer():
            *lines, _ = block[:RUN_BYTES].split(b"\n", RUN)
            self._between.add(lines)

    def close(self) -> list[bytes]:
        """Return the sample."""
        lines = b"\n".join(self._last).rsplit(b"\n", TAIL)
        if len(lines) > TAIL:
            self._draw(lines.pop(0))
        return self._head + self._between.all() + lines


class RowSample:
    """Sample of a Parquet file that arrives in record batches."""

    def __init__(self) -> None:
        self._head: list[dict[str, Any]] = []
        self._between: SampledRuns[dict[str, Any]] = SampledRuns()
        self._last: pa.RecordBatch | None = None

    def batch(self, batch: pa.RecordBatch) -> None:
        """Add the next batch."""
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
        """Return the sample."""
        if self._last is None:
            return self._head
        before = max(0, self._last.num_rows - TAIL)
        self._draw(self._last.slice(0, before))
        return self._head + self._between.all() + _dicts(self._last.slice(before))


def _dicts(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dictionaries; an empty list if their text cannot be decoded."""
    try:
        records: list[dict[str, Any]] = rows.to_pylist(maps_as_pydicts="lossy")
    except (UnicodeDecodeError, pa.ArrowException):
        return []
    return records


def cut_off(line: bytes) -> bool:
    """Whether the unterminated last line of a file ends in the middle of a JSON record."""
    start = line.find(b"{")
    if start < 0 or not line.strip():
        return False
    try:
        text = line[start:].decode().rstrip()
    except UnicodeDecodeError:
        return False
    return not (read_records(text) or read_records(line.decode()))
