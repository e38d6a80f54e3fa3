"""Records of erased clients in raw files: found by the hash of the id that they name, and left out of a copy.

A record without a client goes too where it names a search or a session of an erased client's records. Files are read
line by line, whatever their size. A line that cannot be read at all names nobody.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ingest.orders import columns_of
from jobs.ingest.search_log import NOBODY
from jobs.platform.csv_text import csv_header
from jobs.platform.spark_udfs import clean_ids

VALUE = rb'"\s*:\s*("(?:[^"\\]|\\.)*"|[0-9.Ee+]+)'
CLIENT, SEARCH, SESSION = (re.compile(rb'"' + name + VALUE) for name in (b"client_id", b"query_id", b"session_id"))
BULK = re.compile(rb'^\s*\{\s*"(?:index|create)"\s*:\s*\{')
BATCH_ROWS = 65_536
Row = Mapping[str, Any]


@dataclass
class Erased:
    """The clients to erase, by keyed hash, and what their records name: searches and sessions, in clear, in memory."""

    hashes: frozenset[str]
    secret: str
    named: set[str] = field(default_factory=set)
    _known: dict[str, bool] = field(default_factory=dict)

    @staticmethod
    def hash_of(secret: str, client: str) -> str:
        """The keyed hash of a client, as sql/searches.sql makes it."""
        return hashlib.sha256(f"{secret}{client}".encode()).hexdigest()

    def has(self, client: str) -> bool:
        """Whether it is one of the clients."""
        if client not in self._known:
            self._known[client] = self.hash_of(self.secret, client) in self.hashes
        return self._known[client]

    def note(self, *names: str) -> None:
        """Remember what a record of theirs names."""
        self.named.update(name for name in names if name.strip().lower() not in NOBODY)


def note_lines(path: Path, erased: Erased) -> None:
    """First pass over a file of JSON lines: remember the searches and sessions of the clients."""
    with _opened(path) as lines:
        for line in lines:
            if any(erased.has(client) for client in _values(CLIENT, line)):
                for record in _records(line):
                    if any(erased.has(client) for client in _clients(record)):
                        erased.note(*_names(record))


def copy_lines(source: Path, target: Path | None, erased: Erased) -> int:
    """Copy a file of JSON lines without their records; return the lines left out or shortened. No target: count alone."""
    gone = 0
    head = b""  # an action line of the bulk format goes with the record that it announces
    with _opened(source) as lines, _written(target) as out:
        for line in lines:
            kept = _without(line, erased)
            gone += kept != line
            if BULK.match(line):
                out.write(head)
                head = line
                continue
            if kept:
                out.write(head + kept)
            head = b""
        out.write(head)
    return gone


def note_rows(path: Path, erased: Erased) -> None:
    """First pass over a Parquet file of a log."""
    for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS, columns=_log_columns(path)):
        for record in batch.to_pylist():
            if any(erased.has(client) for client in _clients(record)):
                erased.note(*_names(record))


def copy_rows(source: Path, target: Path | None, gone: Callable[[Row], bool], columns: list[str]) -> int:
    """Copy a Parquet file without some rows, and return their number. columns: those that `gone` looks at."""
    left_out, sink = 0, target or pa.MockOutputStream()
    with pq.ParquetFile(source) as file, pq.ParquetWriter(sink, file.schema_arrow, compression="zstd") as out:
        for batch in file.iter_batches(BATCH_ROWS):
            mask = pa.array([not gone(row) for row in batch.select(columns).to_pylist()], pa.bool_())
            kept = batch.filter(mask)
            left_out += batch.num_rows - kept.num_rows
            out.write_batch(kept)
    return left_out


def copy_log_rows(source: Path, target: Path | None, erased: Erased) -> int:
    """Copy a Parquet file of a log without their records."""
    return copy_rows(source, target, lambda row: _is_theirs(row, erased), _log_columns(source))


def copy_orders(source: Path, target: Path | None, erased: Erased, renamed: Mapping[str, str]) -> int:
    """Copy a file of orders without their lines. renamed: as for jobs.ingest.orders."""
    name = source.name.lower()
    if name.endswith(".parquet"):
        column = columns_of(pq.read_schema(source).names, renamed).get("customer", "")
        return copy_rows(source, target, lambda row: _is_customer(row.get(column), erased), [column] if column else [])
    if name.endswith((".csv", ".csv.gz")):
        return _copy_csv(source, target, erased, renamed)
    gone = 0
    with _opened(source) as lines, _written(target) as out:
        for line in lines:
            records = _records(line)
            columns = [columns_of(list(record), renamed).get("customer", "") for record in records]
            is_theirs = any(_is_customer(record.get(key), erased) for record, key in zip(records, columns, strict=True))
            gone += is_theirs
            out.write(b"" if is_theirs else line)
    return gone


def _copy_csv(source: Path, target: Path | None, erased: Erased, renamed: Mapping[str, str]) -> int:
    """Write the records anew, each field quoted where it must be."""
    header = csv_header(str(source))
    column = columns_of(header.names, renamed).get("customer")
    place = header.names.index(column) if column else len(header.names)
    gone = 0
    with _opened(source) as raw, _written(target) as packed:
        text = io.TextIOWrapper(cast(io.BufferedReader, raw), "utf-8-sig", "surrogateescape", newline="")
        out = io.TextIOWrapper(cast(io.BufferedWriter, packed), "utf-8", "surrogateescape", newline="")
        writer = csv.writer(out, delimiter=header.delimiter, lineterminator="\n")
        for number, row in enumerate(csv.reader(text, delimiter=header.delimiter)):
            is_theirs = bool(number) and place < len(row) and _is_customer(row[place], erased)
            gone += is_theirs
            if not is_theirs:
                writer.writerow(row)
        out.flush()
        out.detach()
        text.detach()
    return gone


def names_client(text: str, erased: Erased) -> bool:
    """Whether a rejected line names one of the clients, or a search or session of theirs."""
    line = text.encode()
    if any(map(erased.has, _values(CLIENT, line))):
        return True
    return any(name in erased.named for name in (*_values(SEARCH, line), *_values(SESSION, line)))


def _is_customer(value: object, erased: Erased) -> bool:
    return value is not None and erased.has(str(clean_ids(pa.array([str(value)]))[0].as_py()))


def _is_theirs(record: Row, erased: Erased) -> bool:
    """Whether a record is a client's, or of nobody and names a search or session of theirs."""
    clients = [client for client in _clients(record) if client.strip().lower() not in NOBODY]
    return any(map(erased.has, clients)) or (not clients and any(name in erased.named for name in _names(record)))


def _without(line: bytes, erased: Erased) -> bytes:
    """The line without their records; empty where nothing is left."""
    clients = _values(CLIENT, line)
    others = [*_values(SEARCH, line), *_values(SESSION, line)]
    theirs = [client for client in clients if erased.has(client)]
    if not theirs and (clients or not any(name in erased.named for name in others)):
        return line
    records = _records(line)
    kept = [record for record in records if not _is_theirs(record, erased)]
    # torn, or theirs inside a text where no record shows it: the line goes whole
    if not kept or len(kept) == len(records):
        return b""
    return "".join(map(json.dumps, kept)).encode() + b"\n"


def _values(pattern: re.Pattern[bytes], line: bytes) -> list[str]:
    """Values of a field anywhere in a line, also in JSON that is a text of another field."""
    plain = line.replace(b'\\"', b'"') if b'\\"' + pattern.pattern[1:9] in line else line
    found = []
    for value in pattern.findall(plain):
        try:
            found.append(str(json.loads(value)))
        except ValueError:
            found.append(value.strip(b'"').decode("utf-8", "replace"))
    return found


def _records(line: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a line: one, several in a row, a list of them, or inside `_source`."""
    text, decoder, records = line.decode("utf-8", "replace").strip(), json.JSONDecoder(), []
    while (start := min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)) >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            break
        records += value if isinstance(value, list) else [value]
        text = text[end:]
    return [record for record in records if isinstance(record, dict)]


def _clients(record: Row) -> list[str]:
    return _texts(record, "client_id")


def _names(record: Row) -> list[str]:
    return [*_texts(record, "query_id"), *_texts(record, "session_id")]


def _texts(record: Row, name: str) -> list[str]:
    """Values of a field of a record, of its event's attributes, and of a record inside it."""
    inner = [record]
    for key in ("event_attributes", "_source"):
        value = record.get(key)
        if isinstance(value, str):
            found = _records(value.encode())
            value = found[0] if found else None
        if isinstance(value, Mapping):
            inner += [
                value,
                *([value["event_attributes"]] if isinstance(value.get("event_attributes"), Mapping) else []),
            ]
    return [str(part[name]) for part in inner if part.get(name) not in (None, "")]


def _log_columns(path: Path) -> list[str]:
    names = pq.read_schema(path).names
    return [name for name in ("client_id", "query_id", "session_id", "event_attributes") if name in names]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        if not path.name.lower().endswith(".gz"):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield cast(IO[bytes], file)


@contextmanager
def _written(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write to, packed where its name says so, without a time stamp inside; None: nowhere."""
    with (path or Path(os.devnull)).open("wb") as raw:
        if path is None or not path.name.lower().endswith(".gz"):
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as file:
            yield file  # type: ignore[misc]
