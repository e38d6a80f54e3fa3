"""The columns that a partition's files really have, spelled as in jobs.lake.columns."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.manifest import FileEntry
from jobs.lake.read import Pinned


def ddl(columns: Mapping[str, str]) -> str:
    """Columns and types as one line of Spark SQL."""
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def file_columns(pinned: Pinned) -> dict[str, str]:
    """Columns and Spark SQL types of the partition's files.

    Raises:
        LookupError: the partition has no Parquet file.
        RuntimeError: two files of the partition differ.
    """
    schemas: dict[str, dict[str, str]] = {}
    for entry in pinned.entries():
        if entry.name.endswith(".parquet"):
            schema = _schema(pinned, entry)
            schemas[f"{pinned.uri}/{entry.name}"] = {field.name: _spell(field.type) for field in schema}
    if not schemas:
        raise LookupError(f"{pinned.partition}: it lists no Parquet file; run {pinned.manifest.job} again")
    first, *others = schemas.items()
    for uri, columns in others:
        if list(columns.items()) != list(first[1].items()):
            raise RuntimeError(
                f"{pinned.partition}: {uri} has columns {ddl(columns)}, {first[0]} has {ddl(first[1])}; "
                f"one partition has one schema: run {pinned.manifest.job} again"
            )
    return first[1]


def _schema(pinned: Pinned, entry: FileEntry) -> pa.Schema:
    """A file's own schema. Counting checks the whole file; here only an unreadable one is checked."""
    system, path = store.filesystem(f"{pinned.uri}/{entry.name}")
    try:
        return pq.read_schema(path, filesystem=system)
    except (FileNotFoundError, pa.ArrowInvalid):
        pinned.check(entry)
        raise


def _spell(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return f"MAP<{_spell(kind.key_type)},{_spell(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"ARRAY<{_spell(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    names = {
        pa.string(): "STRING",
        pa.large_string(): "STRING",
        pa.float64(): "DOUBLE",
        pa.float32(): "FLOAT",
        pa.float16(): "FLOAT",
        pa.int32(): "INT",
        pa.int64(): "BIGINT",
        pa.bool_(): "BOOLEAN",
        pa.date32(): "DATE",
    }
    return names.get(kind, str(kind).upper())
