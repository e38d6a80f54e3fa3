"""UBI files as they are in the wild -> one Spark frame of log lines.

Read, each seen in real files: OpenSearch bulk action lines, `index<TAB>json`, plain NDJSON, Parquet; ISO or
epoch-millisecond timestamps; `query_response_object_ids` for `query_response_hit_ids`; session_id and client_id inside
`event_attributes`; object_id as a string or an integer. What a line means, and why it is not used, says
sql/log_lines.sql.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.ingest import spark_readers as rawfiles
from jobs.lake.read import Pinned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIELDS = (
    "application STRING, action_name STRING, query_id STRING, client_id STRING, session_id STRING,"
    " user_query STRING, timestamp STRING, query_response_hit_ids ARRAY<STRING>,"
    " query_response_object_ids ARRAY<STRING>, event_attributes STRUCT<"
    "session_id STRING, client_id STRING, object STRUCT<object_id STRING>, position STRUCT<ordinal STRING>>"
)
# an action line of the bulk format: what it announces stands on the next line, whole, so it is not parsed
BULK_ACTION = r"""rlike(left(raw, 20), '^\\{\\s*"(index|create)"\\s*:\\s*\\{')"""
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
    "coalesce(nullif(record.session_id, ''), nullif(record.event_attributes.session_id, '')) " + "AS session_id",
    "record.user_query",
    "record.timestamp",
    "coalesce(record.query_response_hit_ids, record.query_response_object_ids) AS hit_ids",
    "trim(record.event_attributes.object.object_id) AS item_id",
    "record.event_attributes.position.ordinal",
)
NEEDED = ("query_id", "timestamp")
ONE_OF = ("user_query", "action_name")


def read_log(spark: SparkSession, log: Pinned) -> DataFrame:
    """Every line of a day's log, read or not, one row each; columns as in LINE_COLUMNS, all text.

    Raises:
        ValueError: no file, a file of another kind, or a Parquet file without the columns of UBI.
    """
    files = rawfiles.by_kind(log, ("lines", "parquet"))
    frames = []
    if files["lines"]:
        read = rawfiles.json_lines(spark, files["lines"], FIELDS, BULK_ACTION)
        bulk = "raw != '' AND NOT malformed AND record IS NULL AS is_bulk_action"
        frames.append(read.selectExpr("*", "raw = '' AS is_blank", bulk))
    for uris, columns in rawfiles.parquet_groups(files["parquet"]):
        _check_columns(log, uris, columns)
        rows = rawfiles.parquet_records(spark, uris, FIELDS)
        frames.append(rows.selectExpr("*", "false AS is_blank", "false AS is_bulk_action"))
    # columns first: records of files that are read in different ways have different fields
    return rawfiles.union([frame.selectExpr(*LINE_COLUMNS) for frame in frames])


def _check_columns(log: Pinned, uris: list[str], columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if not any(name in columns for name in ONE_OF):
        missing.append(" or ".join(ONE_OF))
    if missing:
        raise ValueError(
            f"{log.partition}: {uris[0].rsplit('/', 1)[-1]} has no column {', '.join(missing)}; found "
            f"{', '.join(columns)}, expected UBI records; mend the export and deliver the day again"
        )
