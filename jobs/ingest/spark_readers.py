"""Raw files as Spark frames: JSON lines, CSV and Parquet, with file name and raw text beside the fields.

The readers refuse no line: one that cannot be read gets the flag `malformed`, so that the job can count and reject it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ingest.delivered_files import LINES
from jobs.lake import storage as store
from jobs.lake.read import Pinned
from jobs.platform.csv_text import CsvHeader

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

CORRUPT = "_corrupt"
# no record is this long: such a line is rejected without parsing
MAX_LINE_BYTES = 1 << 20
LONG = f"octet_length(raw) > {MAX_LINE_BYTES}"
# more than one record on a line: the parser reads the first and ignores the rest. The marks may stand in a text too
SEVERAL = (
    r"CASE WHEN rlike(raw, '\\}[\\s,]*\\{')"
    r" THEN coalesce(size(from_json(concat('[', raw, ']'), 'ARRAY<STRING>')), 0) != 1"
    r" ELSE NOT (endswith(raw, '}') OR rlike(raw, '\\}[\\s,]*$')) END"
)
# order of a row: later files, blocks and lines were delivered later
PLACE = ("_metadata.file_name AS file", "_metadata.file_block_start AS block", "monotonically_increasing_id() AS line")
KINDS: dict[str, tuple[str, ...]] = {"lines": LINES, "csv": (".csv", ".csv.gz"), "parquet": (".parquet",)}


def by_kind(pinned: Pinned, kinds: Sequence[str]) -> dict[str, list[str]]:
    """Checked URIs of the raw files, by kind.

    Raises:
        ValueError: there is a file of another kind, or no file.
    """
    uris: dict[str, list[str]] = {kind: [] for kind in kinds}
    for uri in pinned.files():
        kind = next((kind for kind in kinds if uri.lower().endswith(KINDS[kind])), None)
        if kind is None:
            endings = ", ".join(ending for kind in kinds for ending in KINDS[kind])
            raise ValueError(
                f"{pinned.partition}: found {uri.rsplit('/', 1)[-1]}, expected files ending in {endings}; "
                f"deliver the day again without it"
            )
        uris[kind].append(uri)
    if not any(uris.values()):
        raise ValueError(f"{pinned.partition}: found no file; deliver the day again")
    return uris


def json_lines(spark: SparkSession, uris: Sequence[str], fields: str, skipped: str = "false") -> DataFrame:
    """JSON lines -> file, block, line, raw, malformed, record STRUCT<fields>; blank lines have an empty raw.

    A byte order mark and the form `index<TAB>json` are accepted. Every leaf of `fields` should be STRING: then a number
    or an object reads as its text, and one odd value does not lose the line. A line that is not UTF-8, or longer than
    MAX_LINE_BYTES, is malformed: its text would differ from what was typed.
    """
    lines = spark.read.text([store.spark_uri(uri) for uri in uris]).selectExpr(
        *PLACE,
        f"CASE WHEN startswith(value, '{{') OR octet_length(value) > {MAX_LINE_BYTES} THEN value"
        r" ELSE regexp_replace(value, '^\\x{FEFF}?\\s*(?:[\\w.-]+\\t\\s*)?', '') END AS raw",
    )
    return parsed(_spread(spark, lines, uris), fields, skipped)


def parsed(lines: DataFrame, fields: str, skipped: str = "false") -> DataFrame:
    """The columns of lines, `malformed` and `record`, read from the JSON in the column raw."""
    return lines.selectExpr(
        "*",
        f"CASE WHEN NOT ({LONG} OR {skipped}) THEN from_json(raw, '{fields}, {CORRUPT} STRING',"
        f" map('columnNameOfCorruptRecord', '{CORRUPT}')) END AS record",
    ).selectExpr(
        *lines.columns,
        f"raw != '' AND (record.{CORRUPT} IS NOT NULL OR NOT startswith(raw, '{{')"
        f" OR {LONG} OR {SEVERAL} OR NOT is_valid_utf8(raw)) AS malformed",
        "record",
    )


def _spread(spark: SparkSession, lines: DataFrame, uris: Sequence[str]) -> DataFrame:
    """Spread the lines of gzip files over all cores before parsing: Spark reads a gzip file in one task."""
    cores = spark.sparkContext.defaultParallelism
    if len(uris) >= cores or not all(uri.endswith(".gz") for uri in uris):
        return lines
    return lines.repartition(cores, "raw")


def parquet_groups(uris: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """(URIs, column names) of Parquet files that share a schema; several exporters may deliver different ones."""
    groups: dict[str, tuple[list[str], list[str]]] = {}
    for uri in uris:
        system, path = store.filesystem(uri)
        schema = pq.read_schema(path, filesystem=system)
        key = schema.remove_metadata().to_string()
        groups.setdefault(key, ([], schema.names))[0].append(uri)
    return list(groups.values())


def is_text(uri: str, column: str) -> bool:
    """Whether a column of a Parquet file holds texts."""
    system, path = store.filesystem(uri)
    kind = pq.read_schema(path, filesystem=system).field(column).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def parquet_records(spark: SparkSession, uris: Sequence[str], fields: str) -> DataFrame:
    """Rows of Parquet files -> the same columns as `json_lines`.

    Columns with the structure of `fields` are cast to text, and Spark skips the other columns of the file. If a column
    has another structure, such as JSON in a string, the whole record goes through JSON.
    """
    from pyspark.sql.types import BinaryType, StructType

    columns = spark.read.parquet(*[store.spark_uri(uri) for uri in uris])
    for field in columns.schema.fields:
        if isinstance(field.dataType, BinaryType):  # texts of a writer that does not say so
            columns = columns.withColumn(field.name, columns[field.name].cast("string"))
    wanted = cast("StructType", StructType.fromDDL(fields))
    shaped = _shaped(wanted, columns.schema)
    raw = "to_json(struct(*)) AS raw"  # Spark evaluates it for the rejected rows only
    if shaped:
        return columns.selectExpr(*PLACE, raw, "false AS malformed", f"{shaped} AS record")
    return parsed(columns.selectExpr(*PLACE, raw), fields)


def _shaped(wanted: StructType, schema: StructType, at: str = "") -> str:
    """Expression of the wanted struct from the columns that exist; empty if a column has another structure."""
    from pyspark.sql.types import ArrayType, AtomicType, StringType, StructType, TimestampType

    there = {field.name.lower(): field for field in schema.fields}
    parts = []
    for field in wanted.fields:
        name, kind = f"{at}`{field.name}`", field.dataType
        have = there[field.name].dataType if field.name in there else None
        if have is None:
            part = f"CAST(NULL AS {kind.simpleString()})"
        elif isinstance(kind, StructType) and isinstance(have, StructType):
            part = _shaped(kind, have, f"{name}.")
        elif isinstance(kind, StructType) and isinstance(have, StringType):
            # a warehouse's UNLOAD keeps nested columns as JSON text
            part = f"from_json({name}, '{kind.simpleString()}')"
        elif isinstance(kind, ArrayType):
            plain = isinstance(have, ArrayType) and isinstance(have.elementType, AtomicType)
            part = f"CAST({name} AS ARRAY<STRING>)" if plain else ""
        elif isinstance(have, TimestampType):
            # an instant, unlike a text without a zone
            part = f"CAST({name} AS STRING) || 'Z'"
        else:
            part = f"CAST({name} AS STRING)" if isinstance(have, AtomicType) else ""
        if not part:
            return ""
        parts.append(f"'{field.name}', {part}")
    return f"named_struct({', '.join(parts)})"


def csv_rows(spark: SparkSession, uri: str, header: CsvHeader) -> DataFrame:
    """Records of one CSV file (RFC 4180) -> file, block, line, raw, malformed, and its columns as STRING.

    Spark knows the columns by number: names may be empty, contain a dot, or differ in case only. A header that comes
    again, as in files put behind each other, is no record.
    """
    from pyspark.sql import functions as f

    numbers = [f"_{number}" for number in range(len(header.names))]
    rows = spark.read.csv(
        store.spark_uri(uri),
        schema=", ".join(f"{name} STRING" for name in [*numbers, CORRUPT]),
        sep=header.delimiter,
        header=True,
        multiLine=True,
        escape='"',
        columnNameOfCorruptRecord=CORRUPT,
        enforceSchema=True,
    )
    again = [
        f.trim(f.ltrim(f.coalesce(f.col(at), f.lit("")), f.lit("\ufeff"))) == name
        for at, name in zip(numbers, header.names, strict=True)
    ]
    return rows.where(~reduce(lambda left, right: left & right, again)).selectExpr(
        *PLACE, f"coalesce({CORRUPT}, to_json(struct(*))) AS raw", f"{CORRUPT} IS NOT NULL AS malformed", *numbers
    )


def union(frames: Sequence[DataFrame]) -> DataFrame:
    """All rows of frames with equal columns."""
    return reduce(lambda left, right: left.unionByName(right), frames)
