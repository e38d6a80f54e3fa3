"""Parquet footers made steady, so that equal rows are equal bytes whichever JVM wrote them.

parquet-mr lists a column chunk's encodings in the order of a hash set whose hashes are drawn anew by every JVM. The
list is sorted in place: its entries are one byte each, so nothing else of the file moves. The footer is Thrift in the
compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from pathlib import Path

from jobs.lake import storage as store

MAGIC = b"PAR1"
TAIL_BYTES = 8  # length of the footer, magic
# FileMetaData.row_groups -> RowGroup.columns -> ColumnChunk.meta_data -> ColumnMetaData.encodings
ENCODINGS = (4, 1, 3, 2)
VARINTS, DOUBLE, BINARY, LISTS, MAP, STRUCT = (4, 5, 6), 7, 8, (9, 10), 11, 12


def steady(uri: str) -> None:
    """Sort the encodings in the footer of one Parquet file.

    Raises:
        RuntimeError: the file does not end as a Parquet file does.
    """
    if not store.is_local(uri):
        data = store.read_bytes(uri)
        start = _footer_start(uri, data[-TAIL_BYTES:], len(data))
        store.write_bytes(uri, data[:start] + sort_encodings(data[start:-TAIL_BYTES]) + data[-TAIL_BYTES:])
        return
    path: Path = store.local_path(uri)
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(max(size - TAIL_BYTES, 0))
        start = _footer_start(uri, file.read(), size)
        file.seek(start)
        footer = sort_encodings(file.read(size - TAIL_BYTES - start))
        file.seek(start)
        file.write(footer)


def sort_encodings(footer: bytes) -> bytes:
    """The same footer with each list of encodings in order."""
    data = bytearray(footer)
    _struct(data, 0, ENCODINGS)
    return bytes(data)


def _footer_start(uri: str, tail: bytes, size: int) -> int:
    start = size - TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise RuntimeError(f"{uri}: found no Parquet footer, expected one; write the file again")
    return start


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _struct(data: bytearray, at: int, path: tuple[int, ...]) -> int:
    """Walk a struct; `path` are the ids of the fields that lead to the encodings. Returns where it ends."""
    field = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            field += step
        else:
            coded, at = _varint(data, at)
            field = (coded >> 1) ^ -(coded & 1)
        at = _value(data, at, kind, path[1:] if path[:1] == (field,) else None)
    return at + 1


def _value(data: bytearray, at: int, kind: int, path: tuple[int, ...] | None, in_list: bool = False) -> int:
    if kind in (1, 2):  # a boolean field is its own header
        return at + in_list
    if kind == 3:
        return at + 1
    if kind in VARINTS:
        return _varint(data, at)[1]
    if kind == DOUBLE:
        return at + 8
    if kind == BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind == STRUCT:
        return _struct(data, at, path or ())
    if kind == MAP:
        return _map(data, at)
    return _list(data, at, path)


def _list(data: bytearray, at: int, path: tuple[int, ...] | None) -> int:
    kind, count = data[at] & 15, data[at] >> 4
    at += 1
    if count == 15:
        count, at = _varint(data, at)
    start = at
    for _ in range(count):
        at = _value(data, at, kind, path, in_list=True)
    if path == () and at - start == count:
        data[start:at] = sorted(data[start:at])
    return at


def _map(data: bytearray, at: int) -> int:
    count, at = _varint(data, at)
    if count:
        kinds = data[at]
        at += 1
        for _ in range(count):
            at = _value(data, at, kinds >> 4, None, in_list=True)
            at = _value(data, at, kinds & 15, None, in_list=True)
    return at
