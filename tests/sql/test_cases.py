"""SQL by example: a folder per case, its rows each with a comment that says what the row proves.

A case holds a YAML file per input view, `expected.yaml`, and `settings.yaml` where the text has parameters. Columns that
a row leaves out are NULL; columns that `expected.yaml` leaves out are not compared. Spark runs every case. DuckDB, an
engine with no code in common, runs those of the texts that both read.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from jobs.functions import register_functions
from jobs.lake import TABLES, Table
from jobs.schema import arrow_schema
from jobs.spark import sql_text
from models.normalise import normalise_query, split_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/expected.yaml"))
PORTABLE = {"queries", "pairs", "pairs_from_qrels", "qrels_from_labels", "qrels_from_clicks"}

ACT = (
    "item_id STRING, position INT, is_click BOOLEAN, is_cart BOOLEAN, is_purchase BOOLEAN,"
    " lines BIGINT, is_seen BOOLEAN"
)
VIEWS = {
    name: ", ".join(f"{column} {kind}" for column, kind in TABLES[name].columns.items())
    for name in ("impressions", "items", "queries", "qrels")
} | {
    "label_rows": "query_id STRING, item_id STRING, relevance DOUBLE",
    "label_queries": "query_id STRING, query STRING, split STRING",
    "catalogue_rows": (
        "file STRING, block BIGINT, line BIGINT, raw STRING, malformed BOOLEAN, item_id STRING, title STRING,"
        " category STRING, brand STRING, attributes STRING, price STRING, group_id STRING"
    ),
    "raw_lines": (
        "file STRING, raw STRING, malformed BOOLEAN, is_bulk_action BOOLEAN, application STRING,"
        " action_name STRING, search_id STRING, client_id STRING, session_id STRING, user_query STRING,"
        " timestamp STRING, hit_ids ARRAY<STRING>, item_id STRING, ordinal STRING"
    ),
    "log_lines": (
        "application STRING, action STRING, search_id STRING, item_id STRING, client_id STRING,"
        " session_id STRING, user_query STRING, hit_ids ARRAY<STRING>, occurred_at TIMESTAMP,"
        " ordinal INT, reason STRING"
    ),
    "attributed": (
        "search_id STRING, query STRING, searched_at TIMESTAMP, searched_s BIGINT, client_id STRING,"
        " session_id STRING, lines BIGINT, duplicates BIGINT, client_key STRING,"
        f" shown ARRAY<STRUCT<{ACT}>>, unplaced BIGINT"
    ),
    "searches": (
        "search_id STRING, query STRING, searched_at TIMESTAMP, client_id STRING, session_id STRING,"
        f" reason STRING, shown ARRAY<STRUCT<{ACT}>>"
    ),
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def comparable(value: Any) -> Any:
    """Rows, structs and times as plain values; arrays in any order, since no text promises one."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, dict):
        return {name: comparable(part) for name, part in value.items()}
    if isinstance(value, list):
        return sorted((comparable(part) for part in value), key=str)
    return value


def assert_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    columns = list(expected[0]) if expected else []
    shown = [{name: comparable(row[name]) for name in columns} for row in found]
    wanted = [{name: comparable(row[name]) for name in columns} for row in expected]
    assert sorted(shown, key=str) == sorted(wanted, key=str)


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_spark(case: Path, spark: SparkSession) -> None:
    register_functions(spark)
    for path in case.glob("*.yaml"):
        if path.stem not in ("expected", "settings"):
            names = [column.split()[0] for column in _columns(VIEWS[path.stem])]
            rows = [tuple(_nested(row.get(name)) for name in names) for row in load(path) or []]
            spark.createDataFrame(rows, VIEWS[path.stem]).createOrReplaceTempView(path.stem)
    settings = case / "settings.yaml"
    found = spark.sql(
        sql_text(case.parent.name), args=load(settings) if settings.exists() else None
    )
    assert_rows([row.asDict() for row in found.collect()], load(case / "expected.yaml") or [])


def _columns(ddl: str) -> list[str]:
    """Split at the commas that are not inside <>."""
    return re.split(r", (?![^<]*>)", ddl)


def _nested(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        names = [column.split()[0] for column in ACT.split(", ")]
        return [tuple(part.get(name) for name in names) for part in value]
    return value


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.parent.name in PORTABLE],
    ids=lambda case: f"{case.parent.name}-{case.name}",
)
def test_duckdb(case: Path) -> None:
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")
    engine.create_function("split_of", split_of, ["VARCHAR"], "VARCHAR")  # type: ignore[list-item,arg-type]
    engine.execute("CREATE MACRO datediff(later, earlier) AS date_diff('day', earlier, later)")
    for path in case.glob("*.yaml"):
        if path.stem not in ("expected", "settings"):
            engine.register(path.stem, _arrow(path))
    text = sql_text(case.parent.name)
    settings = load(case / "settings.yaml") if (case / "settings.yaml").exists() else {}
    rows = engine.execute(re.sub(r"(?<![:\w]):(\w+)", r"$\1", text), settings).to_arrow_table()
    assert_rows(rows.to_pylist(), load(case / "expected.yaml") or [])


def _arrow(path: Path) -> pa.Table:
    schema = arrow_schema(Table(path.stem, 1, ())) if path.stem in TABLES else None
    if schema is None:
        kinds = {"STRING": pa.string(), "DOUBLE": pa.float64()}
        pairs = [column.split() for column in VIEWS[path.stem].split(", ")]
        schema = pa.schema([(name, kinds[kind]) for name, kind in pairs])
    return pa.Table.from_pylist(load(path) or [], schema=schema)


def test_split_by_example() -> None:
    # the cases below lean on these three sides, and on these names for them
    assert split_of("00" * 20) == "train"
    assert split_of("00000050" * 5) == "dev"
    assert split_of("00000055" * 5) == "test"
    assert normalise_query("A  b") == "a b"
