"""Scan a raw file once before Spark reads it: check that it is intact, and sample its records.

A damaged file is rejected as a whole, never read up to the damage. The readable part of a truncated gzip depends on
where it was cut, so every delivery would give another day, and nobody would notice the missing rest.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ingest.sample import LineSample, RowSample, cut_off
from jobs.lake import storage as store
from jobs.platform.csv_text import CsvError, check_csv
from jobs.platform.file_kinds import GZIP, foreign

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 64 << 20
HOLE = bytes(512)
BATCH_ROWS = 20_000
# below either limit, lines that are not UTF-8 are rejected one by one
BAD_LINES, BAD_LINES_FRAC = 10, 0.1
GB = 1_000_000_000
MAX_UNPACKED_GB = 200.0
ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
OVER_LINES = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{[ \t]*\r?\n")


class FlawError(ValueError):
    """Damage of a file; the message never quotes the file's content."""


@dataclass
class Scan:
    """Result of a scan. flaw: reason to reject the file, empty if intact. lines, rows: sample of text or of Parquet.

    unpacked_bytes: of a compressed file.
    """

    flaw: str = ""
    unpacked_bytes: int = 0
    lines: list[bytes] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


def scan(uri: str, max_unpacked_gb: float = MAX_UNPACKED_GB) -> Scan:
    """Read a file to its end. A file of an unknown kind is scanned as text; the job that reads it refuses it."""
    system, path = store.filesystem(uri)
    name = uri.lower()
    result = Scan()
    try:
        with system.open_input_stream(path, compression=None) as stream:
            if name.endswith(".parquet"):
                result.rows = _parquet(uri, partial(count_unpacked, result, max_unpacked_gb))
            elif name.endswith(".gz"):
                pieces = counted(unpacked(cast(BinaryIO, stream)), result, max_unpacked_gb)
                result.lines = _text(pieces, as_json=".csv" not in name)
            else:
                result.lines = _text(iter(partial(stream.read, CHUNK_BYTES), b""), as_json=".csv" not in name)
        if name.endswith((".csv", ".csv.gz")):
            check_csv(uri)
    except (FlawError, CsvError) as flaw:
        result.lines = []
        result.flaw = str(flaw)
    return result


def unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """Unpack a gzip file of any number of members, at most CHUNK_BYTES at a time.

    Raises:
        FlawError: the file is truncated, damaged, or followed by other bytes.
    """
    waiting = stream.read(CHUNK_BYTES)
    if not waiting:
        raise FlawError("empty: no gzip header")
    while waiting:
        if not waiting.startswith(GZIP[: len(waiting)]):
            raise FlawError(foreign(waiting) or "bytes that are not gzip where a gzip stream was expected")
        member = zlib.decompressobj(31)
        while not member.eof:
            packed = waiting or stream.read(CHUNK_BYTES)
            if not packed:
                raise FlawError("cut off: its gzip stream does not reach its end")
            try:
                piece = member.decompress(packed, CHUNK_BYTES)
            except zlib.error:
                raise FlawError("damaged: its gzip stream cannot be unpacked") from None
            waiting = member.unused_data or member.unconsumed_tail
            yield piece
        waiting = waiting or stream.read(CHUNK_BYTES)


def counted(pieces: Iterator[bytes], result: Scan, max_gb: float) -> Iterator[bytes]:
    """The pieces, up to the limit.

    Raises:
        FlawError: there are more bytes than that.
    """
    for piece in pieces:
        count_unpacked(result, max_gb, len(piece))
        yield piece


def count_unpacked(result: Scan, max_gb: float, more: int) -> None:
    """Count unpacked bytes, or refuse them."""
    result.unpacked_bytes += more
    if result.unpacked_bytes > max_gb * GB:
        raise FlawError(f"unpacks to more than {max_gb:g} GB (max_unpacked_gb); is it what the shop exports?")


def _text(pieces: Iterator[bytes], as_json: bool) -> list[bytes]:
    """Sample the lines of an intact file."""
    sample, total, bad, rest = LineSample(), 0, 0, b""
    for number, piece in enumerate(pieces):
        if number == 0:
            _check_beginning(piece, as_json)
        if HOLE in piece:
            raise FlawError("a hole: 512 NULs and more in a row")
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise FlawError(f"a line of more than {MAX_LINE_BYTES >> 20} MiB; its line ends are lost")
        if newline:
            total += whole.count(b"\n") + 1
            bad += _bad_lines(whole)
            sample.block(whole)
    if rest.endswith(b"\0"):
        raise FlawError("ends in NULs")
    if as_json and cut_off(rest):
        raise FlawError("cut off in the middle of a line")
    if rest:
        total, bad = total + 1, bad + _bad_lines(rest)
        sample.block(rest)
    if bad > BAD_LINES and bad > BAD_LINES_FRAC * total:
        raise FlawError(f"not UTF-8: {bad:,} of {total:,} lines")
    return sample.close()


def _check_beginning(text: bytes, as_json: bool) -> None:
    if kind := foreign(text):
        raise FlawError(kind)
    if as_json and ARRAY.match(text):
        raise FlawError("a JSON array, expected a record per line; convert it: jq -c '.[]'")
    if as_json and OVER_LINES.match(text):
        raise FlawError("records that go over several lines, expected a record per line; convert it: jq -c .")


def _bad_lines(block: bytes) -> int:
    """Number of lines that are not UTF-8."""
    try:
        block.decode()
    except UnicodeDecodeError:
        return sum(not _is_utf8(line) for line in block.split(b"\n"))
    return 0


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parquet(uri: str, count: Callable[[int], None]) -> list[dict[str, Any]]:
    """Sample the rows; count: called with unpacked bytes. Every page is unpacked, and checked against its checksum if the writer stored one."""
    system, path = store.filesystem(uri)
    try:
        file = pq.ParquetFile(path, filesystem=system, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        raise FlawError("no readable Parquet footer") from None
    sample, rows = RowSample(), 0
    with file:
        try:
            for batch in file.iter_batches(BATCH_ROWS):
                rows += batch.num_rows
                count(batch.nbytes)
                sample.batch(batch)
        except (pa.ArrowException, OSError):
            raise FlawError(f"a damaged page, after row {rows:,}") from None
        if rows != file.metadata.num_rows:
            raise FlawError(f"{rows:,} rows, its footer says {file.metadata.num_rows:,}")
    return sample.close()
