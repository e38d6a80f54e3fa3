"""The peer of ROOM=pairs: the same SQL texts on DuckDB, over the same files. Prints one JSON line."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from jobs.datasets import click_counts, pairs, propensities
from jobs.ingest import impressions
from jobs.ingest.search_log import LogRules
from jobs.lake.columns import SEARCH_COLUMNS
from jobs.lake.partitions import IMPRESSIONS, ITEMS, LOG
from jobs.lake.read import pin
from jobs.lake.windows import first_day
from models.clicks.propensity import estimate
from tests import duck
from tests.benchmarks._pairs_spark import COLUMNS, cpu_s, digest, peak_mib

RAW = """
SELECT
  '' AS file, '' AS raw, FALSE AS malformed, FALSE AS is_other_form, FALSE AS is_blank, FALSE AS is_bulk_action, 1 AS counted,
  application, action_name,
  trim(query_id) AS search_id,
  coalesce(nullif(client_id, ''), nullif(event_attributes.client_id, '')) AS client_id,
  coalesce(nullif(session_id, ''), nullif(event_attributes.session_id, '')) AS session_id,
  user_query, timestamp, query_response_hit_ids AS hit_ids,
  CAST(NULL AS VARCHAR) AS placement, trim(event_attributes.object.object_id) AS item_id, CAST(event_attributes.position.ordinal AS VARCHAR) AS ordinal{columns}
FROM read_parquet([{files}], union_by_name = TRUE)
"""


def main(ds: str) -> None:
    """Run the chain in a database on disk, so that it may spill as Spark does."""
    gigabytes = 2 * int(re.sub(r"\D", "", os.environ.get("NIGHTSHELF_SPARK_MEMORY", "2g")))
    with tempfile.TemporaryDirectory() as folder:
        engine = duck.connect(threads=os.cpu_count() or 1, memory=f"{gigabytes}GB", path=f"{folder}/etl.db")
        started, cpu = time.monotonic(), cpu_s()
        lines = _impressions(engine, ds, Path(folder))
        rows = _pairs(engine, ds, Path(folder))
        seconds, cpu = time.monotonic() - started, cpu_s() - cpu
        found = {
            "seconds": round(seconds, 1),
            "cpu_s": round(cpu),
            "lines": lines,
            "peak_mib": peak_mib(),
            "digest": digest(rows),
        }
    sys.stdout.write(json.dumps(found) + "\n")


def _impressions(engine: duckdb.DuckDBPyConnection, ds: str, folder: Path) -> int:
    ours = impressions.Args(LOG.at(ds=ds), IMPRESSIONS.at(ds=ds))
    rules = LogRules(
        ds, ours.session_minutes, ours.max_searches_per_minute, ours.late_hours, ours.late_days, ours.min_searchers
    )
    files = ", ".join(f"'{uri}'" for uri in pin(LOG.at(ds=ds)).files())
    columns = "".join(
        f", TRY_CAST(coalesce({', '.join(column.fields)}) AS {column.type}) AS {column.name}"
        for column in SEARCH_COLUMNS
    )
    engine.execute(f"CREATE VIEW raw_lines AS {RAW.format(files=files, columns=columns)}")
    engine.execute("CREATE TABLE days (day DATE, day_from TIMESTAMPTZ, day_to TIMESTAMPTZ)")
    engine.executemany("INSERT INTO days VALUES (?, ?, ?)", rules.days())
    engine.execute("CREATE TABLE erased_clients (client_id VARCHAR)")
    keep(engine, "log_lines", rules.for_lines)
    zero_based = duck.separate_searches(engine)
    keep(engine, "searches", {"salt": os.environ["NIGHTSHELF_SALT"]})
    keep(engine, "bot_flags", rules.for_bots)
    keep(engine, "query_users", rules.for_people)
    keep(engine, "common_queries", rules.for_people)
    keep(engine, "filtered_searches", {"ds": ds})
    keep(engine, "search_items", {"zero_based": zero_based})
    keep(engine, "impressions", {}, "WHERE reason IS NULL")
    export(engine, "impressions", folder)
    found = engine.execute("SELECT COUNT(*) FROM raw_lines").fetchone()
    return int(found[0]) if found else 0


def _pairs(engine: duckdb.DuckDBPyConnection, ds: str, folder: Path) -> Any:
    offers = ", ".join(f"'{uri}'" for uri in pin(ITEMS.at(ds=ds)).files())
    engine.execute(f"CREATE VIEW items AS SELECT item_id, group_id, category FROM read_parquet([{offers}])")
    engine.execute(f"CREATE VIEW signed_impressions AS SELECT *, DATE '{ds}' AS day, 1 AS sign FROM impressions")
    engine.execute(
        f"CREATE VIEW new_searches AS SELECT search_id, query_id, query, DATE '{ds}' AS day FROM impressions"
    )
    keep(engine, "click_counts", {"max_item_votes": click_counts.Args.max_item_votes})
    keep(engine, "query_counts", {})
    export(engine, "click_counts", folder)
    since = {"first_day": first_day(ds, pairs.Args.window_days)}
    clicks = engine.execute("SELECT SUM(clicks) FROM click_counts").fetchall()[0][0]
    below = propensities.sample(int(clicks), propensities.Args.sample_clicks)[1]
    sampled = {"max_position": propensities.Args.positions, "sample_below": below, **since}
    rows = duck.rows_of(engine, "examined", sampled)
    keys = (rows["query_id"].to_numpy() + rows["item_id"].to_numpy()).astype(str)
    numbers = [rows[name].to_numpy().astype(np.int64) for name in ("position", "impressions", "clicks")]
    law = estimate(np.unique(keys, return_inverse=True)[1], *numbers, propensities.Args.positions)  # type: ignore[misc]
    likely = [(place, float(value)) for place, value in enumerate(law.propensity, start=1)]
    engine.execute("CREATE TABLE propensities (position INT, propensity DOUBLE)")
    engine.executemany("INSERT INTO propensities VALUES (?, ?)", likely)
    engine.execute("CREATE TABLE label_queries (query_id VARCHAR, query VARCHAR, split VARCHAR)")
    keep(engine, "queries", {"head_frac": 0.5, "torso_frac": 0.8, **since})
    export(engine, "queries", folder)
    settings = {name: getattr(pairs.Args, name) for name in pairs.SQL_SETTINGS}
    settings |= {"ds": ds, "max_position": propensities.Args.positions, **since}
    keep(engine, "pairs", settings, "WHERE reason IS NULL")
    export(engine, "pairs", folder)
    return engine.sql(f"SELECT {', '.join(COLUMNS)} FROM pairs").to_arrow_table()


def keep(engine: duckdb.DuckDBPyConnection, name: str, settings: dict[str, Any], where: str = "") -> None:
    """CREATE TABLE of a text."""
    text = f"CREATE TABLE {name} AS SELECT * FROM ({duck.bound(name)}) {where}"
    engine.execute(text, settings)


def export(engine: duckdb.DuckDBPyConnection, name: str, folder: Path) -> None:
    """Write a table as our jobs do, sorted and packed."""
    order = {"impressions": "search_id, item_id", "queries": "query_id"}.get(name, "query_id, item_id")
    engine.execute(f"COPY (FROM {name} ORDER BY {order}) TO '{folder}/{name}.parquet' (COMPRESSION zstd)")


if __name__ == "__main__":
    main(sys.argv[1])
