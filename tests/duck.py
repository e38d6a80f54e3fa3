"""DuckDB as a second engine for the SQL texts; it has no code in common with Spark.

The texts are written for Spark; only `:name` becomes `$name`. Functions that DuckDB lacks are macros. User-defined
functions are the same as Spark's (jobs.platform.spark_udfs).
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType
from duckdb.sqltypes import VARCHAR

from jobs.platform.spark import sql_text
from jobs.platform.spark_udfs import FUNCTIONS, TextFunction

MACROS = (
    "array_join(items, mark) AS array_to_string(items, mark)",
    # NULL in, NULL out; DuckDB's own concat skips NULLs
    "concat(a, b) AS a || b, (a, b, c) AS a || b || c",
    "datediff(later, earlier) AS date_diff('day', earlier, later)",
    "element_at(items, place) AS items[place]",
    "explode(items) AS unnest(items)",
    # DuckDB accepts valid texts only
    "is_valid_utf8(txt) AS TRUE",
    "make_valid_utf8(txt) AS txt",
    "regexp_like(txt, pattern) AS regexp_matches(txt, pattern)",
    "startswith(txt, start) AS starts_with(txt, start)",
    "from_utc_timestamp(moment, zone) AS timezone(zone, moment)",
    "to_utc_timestamp(moment, zone) AS timezone(zone, timezone('UTC', moment))",
    "try_element_at(items, place) AS items[place]",
    "unix_millis(moment) AS epoch_ms(moment)",
    "xxhash64(txt) AS hash(txt)",
    "octet_length(txt) AS strlen(txt)",
    "sequence(first, last) AS generate_series(first, last)",
    "sha2(txt, bits) AS CASE WHEN bits = 256 THEN sha256(txt) ELSE error('sha256 alone') END",
    "size(items) AS len(items)",
    "substring_index(txt, mark, parts) AS array_to_string(string_split(txt, mark)[1:parts], mark)",
    "timestamp_millis(ms) AS CAST(epoch_ms(ms) AS TIMESTAMPTZ)",
    "unix_seconds(moment) AS CAST(floor(epoch(moment)) AS BIGINT)",
)


def connect(threads: int = 1, memory: str = "", path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """An engine that runs every text of sql/ except items.sql. path: database file; the engine may spill beside it."""
    engine = duckdb.connect(path)
    engine.execute(f"SET threads = {threads}")
    if memory:
        engine.execute(f"SET memory_limit = '{memory}'")
    engine.execute("SET TimeZone = 'UTC'")
    # same order of NULLs as Spark
    engine.execute("SET default_null_order = 'NULLS_FIRST_ON_ASC_LAST_ON_DESC'")
    engine.execute("CREATE TYPE timestamp_ltz AS TIMESTAMPTZ")
    for macro in MACROS:
        engine.execute(f"CREATE MACRO {macro}")
    for name, over in FUNCTIONS.items():
        engine.create_function(name, _whole(over), [VARCHAR], VARCHAR, type=PythonUDFType.ARROW)
    return engine


def _whole(over: TextFunction) -> Any:
    """DuckDB passes chunked arrays, and would read argument types from annotations: a lambda has none."""
    return lambda texts: over(texts.combine_chunks())


def rows_of(engine: duckdb.DuckDBPyConnection, name: str, settings: dict[str, Any] | None = None) -> pa.Table:
    """Rows of sql/<name>.sql over the engine's views, as Arrow."""
    rows: pa.Table = engine.sql(bound(name), params=settings or {}).to_arrow_table()
    return rows


def bound(name: str) -> str:
    """Text of sql/<name>.sql with DuckDB's parameter syntax."""
    return re.sub(r"(?<![:\w]):([a-z_]\w*)", r"$\1", sql_text(name))


def separate_searches(engine: duckdb.DuckDBPyConnection) -> list[str]:
    """Replace the table log_lines as jobs.ingest.search_log does; returns the applications that count from 0."""
    engine.register("bases", rows_of(engine, "ordinal_bases"))
    zero = [name for (name,) in engine.execute("SELECT application FROM bases WHERE is_zero_based").fetchall()]
    engine.execute(f"CREATE TABLE shared_search_ids AS {bound('shared_search_ids')}", {"zero_based": zero})
    engine.execute(f"CREATE TABLE separate AS {bound('separate_searches')}", {"zero_based": zero})
    engine.execute("DELETE FROM log_lines WHERE search_id IN (SELECT search_id FROM shared_search_ids)")
    engine.execute("INSERT INTO log_lines BY NAME SELECT * FROM separate")
    return zero
