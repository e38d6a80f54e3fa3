"""A column declared with FROM in jobs/lake/columns.py passes every SQL text from the raw lines to impressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from jobs.ingest import ubi
from jobs.lake.columns import SEARCH_COLUMNS, Column
from jobs.lake.partitions import LOG
from jobs.lake.read import pin
from jobs.platform import spark as platform_spark
from tests import duck
from tests.jobs.ingest.ubi_records import Deliver, act, ndjson, search
from tests.sql.test_cases import HERE, load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LINE = "device STRING CHECK (IN mobile, desktop) COMMENT 'kind' FROM event_attributes.device, query_attributes.device"
DEVICE = Column.parse(LINE)
DS = "2026-01-31"
# one search, its impression and its click; the click alone names the device
RAW_LINES = f"""
CREATE TABLE raw_lines AS
SELECT
  'f' AS file, '{{}}' AS raw, 1 AS counted, FALSE AS malformed, FALSE AS is_other_form, FALSE AS is_blank, FALSE AS is_bulk_action, 'shop' AS application,
  action_name, 's' AS search_id, 'c' AS client_id, NULL::VARCHAR AS session_id, 'buty' AS user_query,
  NULL::VARCHAR AS placement, '{DS}T10:00:00Z' AS timestamp, NULL::VARCHAR[] AS hit_ids, 'i' AS item_id, '1' AS ordinal, device
FROM (VALUES (NULL, NULL), ('impression', NULL), ('click', 'mobile')) AS lines(action_name, device)
"""
DAYS = f"""
CREATE TABLE erased_clients (client_id VARCHAR);
CREATE TABLE days AS SELECT DATE '{DS}' AS day, TIMESTAMPTZ '{DS}' AS day_from, TIMESTAMPTZ '9999-12-31' AS day_to
"""
PARAMETERS: dict[str, dict[str, Any]] = {
    "log_lines": load(HERE / "log_lines/quirks/settings.yaml"),
    "searches": {"salt": "pepper"},
    "bot_flags": load(HERE / "bot_flags/reasons/settings.yaml"),
    "query_users": {"min_searchers": 1},
    "common_queries": {"min_searchers": 1},
    "filtered_searches": {"ds": DS},
    "search_items": {"zero_based": []},
    "impressions": {},
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over the texts as they are with the search column `device`."""
    monkeypatch.setattr(duck, "sql_text", lambda name: platform_spark.sql_text(name, [DEVICE]))
    with duck.connect() as engine:
        engine.execute(RAW_LINES)
        engine.execute(DAYS)
        for name, parameters in PARAMETERS.items():
            create(engine, name, parameters)
        yield engine


def create(engine: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> None:
    engine.execute(f"CREATE TABLE {name} AS {duck.bound(name)}", parameters)


def devices(engine: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    return engine.execute(f"SELECT item_id, is_click, device FROM {table}").fetchall()


def test_a_value_of_any_line_reaches_impressions(engine: duckdb.DuckDBPyConnection) -> None:
    assert devices(engine, "impressions") == [("i", True, "mobile")]


def test_late_impressions_keep_the_value_of_the_day_and_take_a_new_one(engine: duckdb.DuckDBPyConnection) -> None:
    versions = (
        "SELECT *, DATE '{}' AS day, DATE '{}' AS arrived FROM (SELECT * REPLACE ({} AS device) FROM impressions)"
    )
    for earlier, expected in (("'desktop'", "desktop"), ("NULL::VARCHAR", "mobile")):
        engine.execute(f"CREATE OR REPLACE TABLE impression_versions AS {versions.format(DS, DS, earlier)}")
        engine.execute("UPDATE impression_versions SET is_click = FALSE")
        create(engine, "current_impressions", {})
        engine.execute("ALTER TABLE current_impressions RENAME TO earlier_impressions")
        create(engine, "late_impressions", {"ds": "2026-02-01"})
        assert devices(engine, "late_impressions") == [("i", True, expected)]
        engine.execute("DROP TABLE earlier_impressions; DROP TABLE late_impressions")


@pytest.mark.spark
def test_the_first_field_with_a_value_counts(
    deliver: Deliver, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubi, "TEXT_FIELDS", (*ubi.TEXT_FIELDS, *DEVICE.fields))
    monkeypatch.setattr(ubi, "LINE_COLUMNS", (*ubi.LINE_COLUMNS, ubi.search_column(DEVICE)))
    click = act("click", "s", "i", 1)
    records = [
        search("s") | {"query_attributes": {"device": "desktop"}},
        click | {"event_attributes": click["event_attributes"] | {"device": " mobile "}},
        click | {"event_attributes": click["event_attributes"] | {"device": ""}},
        click,
    ]
    deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records)})
    rows = ubi.read_log(spark, pin(LOG.at(ds=DS))).select("device").collect()
    assert [row["device"] for row in rows] == ["desktop", "mobile", None, None]


def test_a_declaration_gives_the_rules() -> None:
    assert [rule["value_set"] for rule in DEVICE.rules()] == [["mobile", "desktop"]]
    counted = Column.parse("clicks INT NOT NULL CHECK (>= 0) COMMENT 'votes'")
    assert [rule["expect"] for rule in counted.rules()] == [
        "column_values_to_not_be_null",
        "column_values_to_be_between",
    ]
    with pytest.raises(ValueError, match="expected name TYPE"):
        Column.parse("clicks INT CHECK (> 0)")


def test_texts_stay_as_they_are_without_search_columns() -> None:
    text = platform_spark.sql_text("impressions", [])
    assert "-- each search column: f.?,\n" in text
    assert "\n  f.device,\n" in platform_spark.sql_text("impressions", [DEVICE])
    assert platform_spark.sql_text("impressions") == platform_spark.sql_text("impressions", SEARCH_COLUMNS)
