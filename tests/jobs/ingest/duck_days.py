"""The ETL on DuckDB: the same SQL texts over the same raw lines, and no other code of the jobs.

DuckDB's JSON functions parse the lines, the calendar gives the days, and a day's differences are computed from all rows
of the earlier days, not only for the people and items of late events.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from jobs.ingest.search_log import BOT_LIMITS, MAX_CLIENT_SESSIONS, NOBODY, TYPING_S
from jobs.ingest.ubi import ACTION_NAMES, PLACEMENT_NAMES
from jobs.lake.columns import SEARCH_COLUMNS
from jobs.lake.partitions import TABLES
from jobs.platform.spark_udfs import ABSENT
from tests import duck

RAW = """
WITH parsed AS (
  SELECT file, raw, CASE WHEN json_valid(raw) AND json_type(raw) = 'OBJECT' THEN raw::JSON END AS r
  FROM lines
)
SELECT
  file, raw, raw = '' AS is_blank, raw != '' AND r IS NULL AS malformed, FALSE AS is_other_form,
  r IS NOT NULL AND (r->'$.index') IS NOT NULL AS is_bulk_action,
  1 AS counted, r->>'$.application' AS application, r->>'$.action_name' AS action_name,
  trim(r->>'$.query_id') AS search_id,
  coalesce(nullif(r->>'$.client_id', ''), nullif(r->>'$.event_attributes.client_id', '')) AS client_id,
  coalesce(nullif(r->>'$.session_id', ''), nullif(r->>'$.event_attributes.session_id', '')) AS session_id,
  r->>'$.user_query' AS user_query, r->>'$.timestamp' AS timestamp,
  coalesce(r->'$.query_response_hit_ids', r->'$.query_response_object_ids')::VARCHAR[] AS hit_ids,
  trim(r->>'$.event_attributes.object.object_id') AS item_id,
  r->>'$.event_attributes.placement' AS placement,
  r->>'$.event_attributes.position.ordinal' AS ordinal{search_columns}
FROM parsed
""".format(
    search_columns="".join(
        f", TRY_CAST(coalesce({texts}, NULL) AS {column.type}) AS {column.name}"
        for column in SEARCH_COLUMNS
        for texts in [", ".join(f"nullif(trim(r->>'$.{field}'), '')" for field in column.fields)]
    )
)
DAYS = """
CREATE TABLE days AS
SELECT day::DATE AS day, day::TIMESTAMPTZ AS day_from, (day + INTERVAL 1 DAY)::TIMESTAMPTZ AS day_to
FROM (SELECT unnest(generate_series($ds::TIMESTAMP - to_days($back::INT), $ds::TIMESTAMP, INTERVAL 1 DAY)) AS day)
"""
ROW = ", ".join(TABLES["impressions"].columns)
WAITING = "SELECT search_id FROM filtered_searches WHERE reason = 'no_search' OR day < $ds::DATE"


@dataclass
class Days:
    """A shop's days in order: `day` adds one. Tables by name and ds, as Arrow."""

    items: pa.Table
    salt: str
    min_searchers: int
    late_days: int = 3
    max_item_votes: int = 3
    found: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    zero_based: list[str] = field(default_factory=list)  # of the last day

    def day(self, ds: str, files: Iterable[Path]) -> None:
        """Impressions, late, searchers, click_counts and asked of one day's log."""
        with duck.connect() as engine:
            self._attribute(engine, ds, files)
            self._place(engine, ds)
            self._sum(engine, ds)

    def window(self, name: str, last: str, days: int = 28) -> pa.Table:
        """A daily table of all days up to the last."""
        first = (date.fromisoformat(last) - timedelta(days=days - 1)).isoformat()
        return self._all(name, first, last)

    def _attribute(self, engine: duckdb.DuckDBPyConnection, ds: str, files: Iterable[Path]) -> None:
        engine.register("lines", lines(files))
        engine.execute(f"CREATE TABLE raw_lines AS {RAW}")
        engine.execute("CREATE TABLE erased_clients (client_id VARCHAR)")
        engine.execute(DAYS, {"ds": ds, "back": self.late_days})
        last = datetime.fromisoformat(ds).replace(tzinfo=UTC)
        self._keep(
            engine,
            "log_lines",
            {
                "max_ordinal": 9_999,
                "max_line_bytes": 1 << 20,
                "action_names": list(ACTION_NAMES),
                "actions": list(ACTION_NAMES.values()),
                "placement_names": list(PLACEMENT_NAMES),
                "placements": list(PLACEMENT_NAMES.values()),
                "nobody": list(NOBODY),
                "absent": list(ABSENT),
                "time_zone": "UTC",
                "earliest": str((last - timedelta(days=self.late_days)).replace(tzinfo=None)),
                "day_to": str((last + timedelta(days=1)).replace(tzinfo=None)),
                "latest": str((last + timedelta(hours=30)).replace(tzinfo=None)),
            },
        )
        self.zero_based = duck.separate_searches(engine)
        self._keep(engine, "searches", {"salt": self.salt})
        rules = {"session_minutes": 30, "max_searches_per_minute": 20, "max_query_chars": 500, "typing_s": TYPING_S}
        rules |= {"max_client_sessions": MAX_CLIENT_SESSIONS, **BOT_LIMITS}
        self._keep(engine, "bot_flags", rules)
        people = {"min_searchers": self.min_searchers}
        self.found["query_users", ds] = duck.rows_of(engine, "query_users", people)
        engine.register("query_users", self.window("query_users", ds))
        self._keep(engine, "common_queries", people)
        self._keep(engine, "filtered_searches", {"ds": ds})

    def _place(self, engine: duckdb.DuckDBPyConnection, ds: str) -> None:
        self._keep(engine, "search_items", {"zero_based": self.zero_based})
        kept = duck.rows_of(engine, "impressions")
        self.found["impressions", ds] = without_reason(kept, "impressions")
        self._overlay(engine, "earlier_impressions", ds, include=False, only=WAITING)
        self.found["late_impressions", ds] = without_reason(
            duck.rows_of(engine, "late_impressions", {"ds": ds}), "late_impressions"
        )

    def _sum(self, engine: duckdb.DuckDBPyConnection, ds: str) -> None:
        engine.register("items", self.items)
        engine.register("today", self.found["impressions", ds])
        engine.register("brought", self.found["late_impressions", ds])
        for name, include in (("before", False), ("after", True)):
            self._overlay(
                engine,
                name,
                ds,
                include,
                only="SELECT search_id FROM impression_versions",
                days="SELECT day FROM brought",
            )
        engine.execute(
            f"""
            CREATE TABLE signed_impressions AS
            SELECT {ROW}, $ds::DATE AS day, 1 AS sign FROM today
            UNION ALL SELECT {ROW}, day, -1 FROM before UNION ALL SELECT {ROW}, day, 1 FROM after
        """,
            {"ds": ds},
        )
        self.found["click_counts", ds] = duck.rows_of(engine, "click_counts", {"max_item_votes": self.max_item_votes})
        engine.execute(f"""
            CREATE VIEW new_searches AS
            SELECT search_id, query_id, query, DATE '{ds}' AS day FROM today
            UNION ALL SELECT search_id, query_id, query, day FROM brought WHERE is_new_search
        """)
        self.found["query_counts", ds] = duck.rows_of(engine, "query_counts")

    def _overlay(
        self, engine: duckdb.DuckDBPyConnection, name: str, ds: str, include: bool, only: str, days: str = ""
    ) -> None:
        """View `name`: the days before ds as they stood, with what ds itself brought or without."""
        parts = []
        for (table, day), rows in self.found.items():
            if (
                table not in ("impressions", "late_impressions")
                or day > ds
                or (day == ds and (table != "late_impressions" or not include))
            ):
                continue
            if day < str(date.fromisoformat(ds) - timedelta(days=self.late_days)):
                continue
            engine.register(f"{table}_{day.replace('-', '_')}", rows)
            of_day = f"DATE '{day}'" if table == "impressions" else "day"
            parts.append(f"SELECT {ROW}, {of_day} AS day, DATE '{day}' AS arrived FROM {table}_{day.replace('-', '_')}")
        none = f"SELECT {ROW}, DATE '{ds}' AS day, DATE '{ds}' AS arrived FROM impressions_none"
        engine.register("impressions_none", self.found["impressions", ds].slice(0, 0))
        engine.execute("CREATE OR REPLACE TABLE impression_versions AS " + " UNION ALL ".join([*parts, none]))
        given = {"ds": ds} if "$ds" in only else {}
        engine.execute(f"DELETE FROM impression_versions WHERE search_id NOT IN ({only})", given)
        if days:
            engine.execute(f"DELETE FROM impression_versions WHERE day NOT IN ({days})")
        engine.register(f"{name}_rows", duck.rows_of(engine, "current_impressions"))
        engine.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_rows")

    def _keep(self, engine: duckdb.DuckDBPyConnection, name: str, settings: dict[str, object]) -> None:
        engine.register(f"{name}_rows", duck.rows_of(engine, name, settings))
        engine.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_rows")

    def _all(self, name: str, first: str, last: str) -> pa.Table:
        parts = [rows for (table, ds), rows in self.found.items() if table == name and first <= ds <= last]
        return pa.concat_tables(parts, promote_options="permissive")


def lines(files: Iterable[Path]) -> pa.Table:
    """file, raw of every line."""
    found: Sequence[tuple[str, str]] = [
        (path.name, line) for path in files for line in gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
    ]
    return pa.table({"file": [name for name, _ in found], "raw": [raw for _, raw in found]})


def without_reason(rows: pa.Table, name: str) -> pa.Table:
    """The rows that are kept, with the table's own columns."""
    kept = rows.filter(pc.is_null(rows["reason"]))
    return kept.select(list(TABLES[name].columns))
