"""SQL by example: one folder per case; a comment on each row states what the row proves.

A case holds a YAML file per input, `expected.yaml`, and `settings.yaml` for the parameters. Columns that a row omits
are NULL; columns that `expected.yaml` omits are not compared. Spark and DuckDB (tests/duck.py) both run every case.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml

from jobs.ingest.prices import MONEY
from jobs.lake.arrow_schema import ARROW
from jobs.lake.columns import COLUMNS, SEARCH_COLUMNS
from jobs.platform.spark import run_sql
from jobs.platform.spark_udfs import ABSENT, register_functions
from models.text.normalise import normalise_query, split_of
from tests import duck

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent
SQL = HERE.parents[1] / "sql"
CASES = sorted(path.parent for path in HERE.glob("*/*/expected.yaml"))
# DuckDB has no counterpart of its maps and lambdas; both engines run the other texts
SPARK_ALONE = {"items"}

# columns that the log's searches pass to impressions (jobs.lake.columns)
SEARCH = "".join(f"{column.name} {column.type}, " for column in SEARCH_COLUMNS)
TABLES = {
    table: ", ".join(f"{column} {kind}" for column, kind in columns.items()) for table, columns in COLUMNS.items()
}
_FLAGS = (
    "search_id STRING, day DATE, lines BIGINT, records BIGINT, pages BIGINT, textless BIGINT, searched_at TIMESTAMP, query STRING,"
    " query_id STRING, query_key STRING, searcher_key STRING, client_id STRING, session_id STRING, reason STRING"
)
VIEWS = TABLES | {
    "label_rows": "query_id STRING, item_id STRING, relevance DOUBLE",
    "rule_rows": "query_id STRING, item_id STRING, relevance DOUBLE",
    "label_queries": "query_id STRING, query STRING, split STRING",
    "catalogue_rows": (
        "file STRING, block BIGINT, line BIGINT, raw STRING, malformed BOOLEAN, item_id STRING, title STRING,"
        " category STRING, brand STRING, attributes STRING, price STRING, currency STRING, group_id STRING"
    ),
    "raw_lines": (
        f"{SEARCH}file STRING, raw STRING, malformed BOOLEAN, is_other_form BOOLEAN, is_blank BOOLEAN, is_bulk_action BOOLEAN, counted INT,"
        " placement STRING, application STRING, action_name STRING, search_id STRING, client_id STRING, session_id STRING,"
        " user_query STRING, timestamp STRING, hit_ids ARRAY<STRING>, item_id STRING, ordinal STRING"
    ),
    "log_lines": (
        f"{SEARCH}counted INT, page INT, application STRING, action STRING, search_id STRING, item_id STRING, client_id STRING,"
        " session_id STRING, user_query STRING, placement STRING, hit_ids ARRAY<STRING>, occurred_at TIMESTAMP,"
        " ordinal INT, reason STRING, is_browse BOOLEAN"
    ),
    "item_lines": (
        "search_id STRING, item_id STRING, action STRING, placement STRING, occurred_at TIMESTAMP, client_id STRING,"
        " session_id STRING, counted INT, is_browse BOOLEAN"
    ),
    "erased_clients": "client_id STRING",
    "earlier_events": TABLES["session_events"],
    "order_rows": (
        "file STRING, block BIGINT, line BIGINT, malformed BOOLEAN, invoice STRING, item_id STRING, quantity STRING,"
        " price STRING, customer STRING, occurred STRING, title STRING, status STRING"
    ),
    "order_events": (
        "session_id STRING, client_id STRING, item_id STRING, occurred_at TIMESTAMP, day DATE, line BIGINT"
    ),
    "shared_search_ids": "search_id STRING",
    "days": "day DATE, day_from TIMESTAMP, day_to TIMESTAMP",
    "searches": (
        f"{SEARCH}search_id STRING, lines BIGINT, records BIGINT, pages BIGINT, textless BIGINT, shown_items BIGINT, events BIGINT,"
        " acted_items BIGINT, searched_at TIMESTAMP, hit_ids ARRAY<STRING>, client_id STRING, session_id STRING, query STRING,"
        " day DATE, searched_s BIGINT, query_id STRING, client_key STRING, query_key STRING, searcher_key STRING"
    ),
    "bot_flags": SEARCH + _FLAGS,
    "request_flags": SEARCH + _FLAGS,
    "common_queries": "query_key STRING",
    "held_out": "session_id STRING",
    "filtered_searches": (
        f"{SEARCH}search_id STRING, day DATE, lines BIGINT, records BIGINT, pages BIGINT, textless BIGINT, searched_at TIMESTAMP, query STRING,"
        " query_id STRING, client_id STRING, session_id STRING, reason STRING"
    ),
    "search_items": (
        "search_id STRING, item_id STRING, position INT, is_shown BOOLEAN, is_click BOOLEAN, is_cart BOOLEAN,"
        " is_purchase BOOLEAN, lines BIGINT, duplicates BIGINT"
    ),
    "earlier_impressions": f"{TABLES['impressions']}, day DATE",
    "impression_versions": f"{TABLES['impressions']}, day DATE, arrived DATE",
    "signed_impressions": f"{TABLES['impressions']}, day DATE, sign INT",
    "item_facts": "item_id STRING, category STRING, group_id STRING, price DOUBLE, attributes INT",
    "first_days": "item_id STRING, first_day DATE",
    "new_searches": "search_id STRING, query_id STRING, query STRING, day DATE",
}
FLAGS = (
    "is_shown",
    "is_click",
    "is_cart",
    "is_purchase",
    "malformed",
    "is_other_form",
    "is_blank",
    "is_bulk_action",
    "bought",
    "is_browse",
)
# parameters that a case may leave out
SETTINGS = {"items": {"money": MONEY, "absent": list(ABSENT), "decimal_comma": False}}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def comparable(value: Any) -> Any:
    """Numbers and times as plain values."""
    if isinstance(value, float | decimal.Decimal):
        return float(f"{value:.6g}")
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list):
        return [comparable(part) for part in value]
    return value


def assert_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    columns = list(expected[0]) if expected else []
    shown = [{name: comparable(row[name]) for name in columns} for row in found]
    wanted = [{name: comparable(row[name]) for name in columns} for row in expected]
    assert sorted(shown, key=str) == sorted(wanted, key=str)


def views(case: Path) -> dict[str, pa.Table]:
    """The input views of a case; a flag that a row leaves out is false, and a row is one record."""
    found = {}
    for path in sorted(case.glob("*.yaml")):
        if path.stem in ("expected", "settings"):
            continue
        columns = [column.split() for column in VIEWS[path.stem].split(", ")]
        schema = pa.schema([(name, ARROW[kind]) for name, kind in columns])
        rows = load(path) or []
        unknown = {name for row in rows for name in row} - set(schema.names)
        assert not unknown, f"{path.parent.name}/{path.name}: no column {', '.join(unknown)}"
        flags = {name: False for name in FLAGS if name in schema.names}
        counted = {name: 1 for name in ("counted", "page", "pages") if name in schema.names}
        found[path.stem] = pa.Table.from_pylist([flags | counted | row for row in rows], schema=schema)
    return found


def settings(case: Path) -> dict[str, Any]:
    path = case / "settings.yaml"
    return SETTINGS.get(case.parent.name, {}) | (load(path) if path.exists() else {})


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_spark(case: Path, spark: SparkSession) -> None:
    register_functions(spark)
    frames = {name: spark.createDataFrame(rows, VIEWS[name]) for name, rows in views(case).items()}
    found = run_sql(case.parent.name, settings(case), **frames)
    assert not {table.name for table in spark.catalog.listTables()} & set(frames), "a view outlives the call"
    assert_rows([row.asDict() for row in found.collect()], load(case / "expected.yaml") or [])


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.parent.name not in SPARK_ALONE],
    ids=lambda case: f"{case.parent.name}-{case.name}",
)
def test_duckdb(case: Path) -> None:
    engine = duck.connect()
    for name, rows in views(case).items():
        engine.register(name, rows)
    found = duck.rows_of(engine, case.parent.name, settings(case))
    assert_rows(found.to_pylist(), load(case / "expected.yaml") or [])


def test_every_text_has_a_case() -> None:
    texts = {path.stem for path in SQL.glob("*.sql")}
    assert texts == {case.parent.name for case in CASES}


def test_the_readme_has_a_row_for_every_text() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", (SQL / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(path.stem for path in SQL.glob("*.sql"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_every_expected_row_states_what_it_proves(case: Path) -> None:
    lines = Counter(
        "comment" if line.startswith("#") else "row"
        for line in (case / "expected.yaml").read_text("utf-8").splitlines()
        if line.startswith(("#", "- "))
    )
    assert lines["row"] <= lines["comment"]


def test_split_by_example() -> None:
    # the cases rely on these ids and their splits
    assert split_of("00" * 20) == "train"
    assert split_of("00000050" * 5) == "dev"
    assert split_of("00000055" * 5) == "test"
    assert normalise_query("A  b") == "a b"
