"""Arrow schemas of the lake's tables, from the declared columns (jobs.lake.columns)."""

from __future__ import annotations

import pyarrow as pa

from jobs.lake.partitions import Table

# Spark SQL type -> Arrow type
ARROW: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "MAP<STRING,STRING>": pa.map_(pa.string(), pa.string()),
    "ARRAY<STRING>": pa.list_(pa.string()),
    "ARRAY<INT>": pa.list_(pa.int32()),
    "ARRAY<FLOAT>": pa.list_(pa.float32()),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns as Arrow fields, in order."""
    return pa.schema([pa.field(name, ARROW[kind]) for name, kind in table.columns.items()])


def conform(data: pa.Table, table: Table) -> pa.Table:
    """Cast to the table's types; a fixed-size list keeps its size (readers map it without copying).

    Raises:
        ValueError: the columns differ from the table's.
    """
    wanted = arrow_schema(table)
    if data.column_names != wanted.names:
        raise ValueError(f"{table.name}: found columns {data.column_names}, expected {wanted.names}")
    for number, field in enumerate(data.schema):
        if pa.types.is_fixed_size_list(field.type):
            wanted = wanted.set(number, field)
    return data.cast(wanted)
