"""UBI files of a day -> one Spark frame of raw lines.

Supports the variants that real files have: OpenSearch bulk action lines, `index<TAB>json`, plain NDJSON, Parquet; ISO
or epoch-millisecond timestamps; `query_response_object_ids` for `query_response_hit_ids`; session_id and client_id inside
`event_attributes`; object_id as a string or an integer. sql/log_lines.sql interprets the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.ingest import spark_readers as rawfiles
from jobs.lake.columns import SEARCH_COLUMNS, Column
from jobs.lake.read import Pinned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Fields of a UBI record that are read as text, and those that are lists of texts; `a.b` is field b of the object a.
TEXT_FIELDS = (
    "application",
    "action_name",
    "query_id",
    "client_id",
    "session_id",
    "user_query",
    "timestamp",
    "event_attributes.session_id",
    "event_attributes.client_id",
    "event_attributes.object.object_id",
    "event_attributes.position.ordinal",
    *(field for column in SEARCH_COLUMNS for field in column.fields),
)
LIST_FIELDS = ("query_response_hit_ids", "query_response_object_ids")
# an action line of the bulk format is not parsed: the next line holds the whole record
BULK_ACTION = r"""rlike(left(raw, 20), '^\\{\\s*"(index|create)"\\s*:\\s*\\{')"""


def search_column(column: Column) -> str:
    """Spark expression of a search column: the first of its fields that has a value."""
    texts = ", ".join(f"nullif(trim(record.{field}), '')" for field in column.fields)
    return f"TRY_CAST(coalesce({texts}, NULL) AS {column.type}) AS {column.name}"


LINE_COLUMNS = (
    "file",
    "raw",
    "malformed",
    "is_blank",
    "is_bulk_action",
    "record.application",
    "record.action_name",
    "trim(record.query_id) AS search_id",
    "coalesce(nullif(record.client_id, ''), nullif(record.event_attributes.client_id, '')) AS client_id",
    "coalesce(nullif(record.session_id, ''), nullif(record.event_attributes.session_id, '')) AS session_id",
    "record.user_query",
    "record.timestamp",
    "coalesce(record.query_response_hit_ids, record.query_response_object_ids) AS hit_ids",
    "trim(record.event_attributes.object.object_id) AS item_id",
    "record.event_attributes.position.ordinal",
    *(search_column(column) for column in SEARCH_COLUMNS),
)
NEEDED = ("query_id", "timestamp")
ONE_OF = ("user_query", "action_name")


def read_log(spark: SparkSession, log: Pinned) -> DataFrame:
    """One row per line of a day's log, readable or not, with LINE_COLUMNS; values are text.

    Raises:
        ValueError: there is no file, a file of another kind, or a Parquet file without the columns of UBI.
    """
    files = rawfiles.by_kind(log, ("lines", "parquet"))
    fields = record_ddl()
    frames = []
    if files["lines"]:
        read = rawfiles.json_lines(spark, files["lines"], fields, BULK_ACTION)
        bulk = "raw != '' AND NOT malformed AND record IS NULL AS is_bulk_action"
        frames.append(read.selectExpr("*", "raw = '' AS is_blank", bulk))
    for uris, columns in rawfiles.parquet_groups(files["parquet"]):
        _check_columns(log, uris, columns)
        rows = rawfiles.parquet_records(spark, uris, fields)
        frames.append(rows.selectExpr("*", "false AS is_blank", "false AS is_bulk_action"))
    # select columns before the union: the record structs of the readers have different fields
    return rawfiles.union([frame.selectExpr(*LINE_COLUMNS) for frame in frames])


def record_ddl() -> str:
    """TEXT_FIELDS and LIST_FIELDS as Spark DDL, nested fields as STRUCTs."""
    tree: dict[str, Any] = {}
    for field in TEXT_FIELDS:
        *objects, name = field.split(".")
        node = tree
        for key in objects:
            node = node.setdefault(key, {})
        node[name] = "STRING"
    return ", ".join(_ddl(name, kind) for name, kind in {**tree, **dict.fromkeys(LIST_FIELDS, "ARRAY<STRING>")}.items())


def _ddl(name: str, kind: Any) -> str:
    if isinstance(kind, str):
        return f"{name} {kind}"
    return f"{name} STRUCT<{', '.join(_ddl(*field) for field in kind.items())}>"


def _check_columns(log: Pinned, uris: list[str], columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if not any(name in columns for name in ONE_OF):
        missing.append(" or ".join(ONE_OF))
    if missing:
        raise ValueError(
            f"{log.partition}: {uris[0].rsplit('/', 1)[-1]} has no column {', '.join(missing)}; found "
            f"{', '.join(columns)}, expected UBI records; repair the export and deliver the day again"
        )
