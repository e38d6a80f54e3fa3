"""Reading a delivered catalogue as it lies in the raw zone: Parquet, CSV or NDJSON, some columns as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.read import Pinned


def delivered_columns(pinned: Pinned, columns: Sequence[str]) -> pa.Table:
    """The named columns of all files as strings, rows without a value in any of them left out.

    For what needs only a look at a raw catalogue; `jobs.ingest.items` is where every row is accounted for.

    Raises:
        LookupError: a file without one of the columns.
        ValueError: a file that is no Parquet, CSV or NDJSON.
    """
    tables = [_read(uri, columns, pinned) for uri in pinned.files()]
    return pa.concat_tables(tables).drop_null()


def _read(uri: str, columns: Sequence[str], pinned: Pinned) -> pa.Table:
    system, path = store.filesystem(uri)
    name = uri.rsplit("/", 1)[-1].lower()
    wanted = pa.schema([pa.field(column, pa.string()) for column in columns])
    try:
        if name.endswith(".parquet"):
            found = pq.read_table(path, columns=list(columns), filesystem=system)
        elif name.endswith((".csv", ".csv.gz")):
            with system.open_input_stream(path) as stream:
                found = _csv(cast(BinaryIO, stream), wanted)
        elif name.endswith((".ndjson", ".ndjson.gz", ".json", ".json.gz")):
            with system.open_input_stream(path) as stream:
                options = pyarrow.json.ParseOptions(explicit_schema=wanted, unexpected_field_behavior="ignore")
                found = pyarrow.json.read_json(cast(BinaryIO, stream), parse_options=options)
        else:
            raise ValueError(f"{pinned.partition}: {name} is no Parquet, CSV or NDJSON file")
        return found.select(list(columns)).cast(wanted)
    except KeyError as error:
        raise LookupError(f"{pinned.partition}: {name} has no column {error}") from error


def _csv(stream: BinaryIO, wanted: pa.Schema) -> pa.Table:
    return pyarrow.csv.read_csv(
        stream,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        convert_options=pyarrow.csv.ConvertOptions(include_columns=wanted.names, column_types=wanted),
    )
