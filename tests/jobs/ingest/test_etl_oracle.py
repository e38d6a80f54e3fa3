"""Three days of a simulated log with every fault: the jobs on Spark and the texts on DuckDB give equal rows.

The published days are tested too: a backfill and the machine's time zone change nothing, and rare queries and personal
data stay in the raw zone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from jobs.datasets import click_counts, pairs, queries
from jobs.ingest import impressions, items
from jobs.lake.partitions import (
    CATALOGUE,
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEMS,
    LABELS,
    LATE_IMPRESSIONS,
    LOG,
    PAIRS,
    QUERIES,
    QUERY_COUNTS,
    QUERY_USERS,
    SIMULATED_TRUTH,
)
from jobs.lake.read import pin, read_table
from jobs.simulator import marketplace, simulate
from models.text.normalise import normalise_query
from tests import duck
from tests.jobs.ingest.duck_days import Days
from tests.jobs.ingest.etl import DERIVED, texts_of
from tests.jobs.simulator.simulated import truths

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.usefixtures("spark")]
ROOT = Path(__file__).resolve().parents[3]
DAYS = ("2026-01-29", "2026-01-30", "2026-01-31")
LAST = DAYS[-1]
FEW = 3  # min_searchers
HOSTILE = {
    "searches": 500,
    "bot_frac": 0.3,
    "duplicate_frac": 0.05,
    "redelivered_frac": 0.05,
    "delayed_frac": 0.1,
    "skew_frac": 0.1,
    "malformed_frac": 0.01,
    "late_frac": 0.01,
    "personal_frac": 0.06,
    "rare_frac": 0.06,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[None]:
    """Three days of a shop, as pairs_daily makes them; Spark generates code, as it does at night."""
    generated = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    usual = {name: str(spark.conf.get(name)) for name in generated}
    for name, value in generated.items():
        spark.conf.set(name, value)
    root = tmp_path_factory.mktemp("etl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.setenv("NIGHTSHELF_SALT", "pepper")
        patch.delenv("NIGHTSHELF_TIME_ZONE", raising=False)
        catalogue, labels = CATALOGUE.at(ds=DAYS[0]), LABELS.at(ds=DAYS[0])
        marketplace.main(marketplace.Args(catalogue, labels, items=300, queries=40))
        for number, ds in enumerate(DAYS):
            before = ",".join(str(SIMULATED_TRUTH.at(ds=one)) for one in DAYS[:number])
            simulate.main(
                simulate.Args(
                    labels, catalogue, LOG.at(ds=ds), SIMULATED_TRUTH.at(ds=ds), before=before, seed=number, **HOSTILE
                )
            )  # type: ignore[arg-type]
        items.main(items.Args(catalogue, ITEMS.at(ds=LAST)))
        for ds in DAYS:
            a_day(ds)
        windows()
        yield
    for name, value in usual.items():
        spark.conf.set(name, value)


def a_day(ds: str) -> None:
    impressions.main(impressions.Args(LOG.at(ds=ds), IMPRESSIONS.at(ds=ds), min_searchers=FEW))
    click_counts.main(
        click_counts.Args(
            IMPRESSIONS.at(ds=ds),
            LATE_IMPRESSIONS.at(ds=ds),
            ITEMS.at(ds=LAST),
            CLICK_COUNTS.at(ds=ds),
            QUERY_COUNTS.at(ds=ds),
        )
    )


def windows() -> None:
    queries.main(queries.Args(QUERIES.at(ds=LAST), QUERY_COUNTS.at(ds=LAST)))
    pairs.main(
        pairs.Args(
            PAIRS.at(ds=LAST),
            CLICK_COUNTS.at(ds=LAST),
            ITEMS.at(ds=LAST),
            QUERIES.at(ds=LAST),
            half_life_days=7.0,
            topic_clicks=5,
            min_topic_frac=0.1,
        )
    )


@pytest.fixture(scope="module")
def oracle(shop: None) -> Days:
    """The same days by DuckDB."""
    found = Days(read_table(pin(ITEMS.at(ds=LAST))), salt="pepper", min_searchers=FEW)
    for ds in DAYS:
        log = pin(LOG.at(ds=ds))
        found.day(ds, [log.path(entry.name) for entry in log.entries()])
    return found


def sorted_rows(rows: Any) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas()
    return frame.sort_values(list(frame.columns), ignore_index=True)


def assert_equal(ours: Any, theirs: Any) -> None:
    assert ours.num_rows > 0
    theirs = theirs.select(ours.column_names).cast(ours.schema)
    pd.testing.assert_frame_equal(sorted_rows(ours), sorted_rows(theirs), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "table", [IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS, CLICK_COUNTS, QUERY_COUNTS], ids=lambda table: table.name
)
@pytest.mark.parametrize("ds", DAYS)
def test_a_day_is_the_same_by_another_engine(oracle: Days, table: Any, ds: str) -> None:
    if (table, ds) == (LATE_IMPRESSIONS, DAYS[0]):
        assert not read_table(pin(table.at(ds=ds))).num_rows, "there is no day before the first"
        return
    assert_equal(read_table(pin(table.at(ds=ds))), oracle.found[table.name, ds])


def test_pairs_and_queries_are_the_same_by_another_engine(oracle: Days) -> None:
    with duck.connect() as engine:
        since = {"first_day": "2026-01-04"}
        engine.register("query_counts", oracle.window("query_counts", LAST))
        engine.execute("CREATE TABLE label_queries (query_id VARCHAR, query VARCHAR, split VARCHAR)")
        known = duck.rows_of(engine, "queries", {**since, "head_frac": 0.5, "torso_frac": 0.8})
        assert_equal(read_table(pin(QUERIES.at(ds=LAST))), known)
        engine.register("queries", known)
        engine.register("click_counts", oracle.window("click_counts", LAST))
        engine.register("items", oracle.items)
        law = "SELECT i::INT AS position, i::DOUBLE ** -1 AS propensity FROM range(1, 1001) AS t(i)"
        engine.execute(f"CREATE TABLE propensities AS {law}")
        found = duck.rows_of(
            engine,
            "pairs",
            {
                **since,
                "ds": LAST,
                "max_position": 1_000,
                "max_weight": 20.0,
                "cart_weight": 1.0,
                "purchase_weight": 2.0,
                "half_life_days": 7.0,
                "topic_depth": 2,
                "min_clicks": 1,
                "topic_clicks": 5,
                "min_topic_frac": 0.1,
            },
        )
        engine.register("found", found)
        kept = engine.sql("SELECT * FROM found WHERE reason IS NULL").to_arrow_table()
        assert_equal(read_table(pin(PAIRS.at(ds=LAST))), kept)
        dropped = engine.sql(
            "SELECT reason, sum(clicks)::BIGINT FROM found WHERE reason IS NOT NULL GROUP BY 1"
        ).fetchall()
    (account,) = pin(PAIRS.at(ds=LAST)).manifest.accounting
    assert account.dropped == dict(dropped)
    assert "off_topic" in account.dropped


def test_every_fault_was_there(shop: None) -> None:
    """Or the days above would have proved nothing."""
    lines = {one.unit: one.dropped for one in pin(IMPRESSIONS.at(ds=LAST)).manifest.accounting}
    assert set(lines["log lines"]) >= {"duplicate", "rare_query", "no_search", "outside_day", "earlier_day"}
    late = pin(LATE_IMPRESSIONS.at(ds=LAST))
    assert set(late.facts["days_changed"]) == set(DAYS[:2])
    rows = read_table(late).to_pandas()
    assert rows["is_new_search"].any()
    assert (~rows["is_new"]).any()
    (told,) = late.manifest.accounting
    assert told.dropped["said_before"] > 0
    booked = read_table(pin(CLICK_COUNTS.at(ds=LAST))).to_pandas()
    assert (booked["day"].astype(str) < LAST).any()


def published() -> dict[str, str]:
    found = [
        table.at(ds=ds)
        for table in (IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS, CLICK_COUNTS, QUERY_COUNTS)
        for ds in DAYS
    ]
    found += [QUERIES.at(ds=LAST), PAIRS.at(ds=LAST)]
    return {str(one): pin(one).manifest.content_sha256 for one in found}


def test_a_backfill_in_another_time_zone_gives_what_the_day_itself_gave(shop: None) -> None:
    """Days made again when later ones stand, by a machine whose clock is 14 hours ahead."""
    before = published()
    commands = "".join(
        f"impressions --log {LOG.at(ds=ds)} --impressions {IMPRESSIONS.at(ds=ds)} --min_searchers {FEW}\n"
        f"click_counts --impressions {IMPRESSIONS.at(ds=ds)} --late_impressions {LATE_IMPRESSIONS.at(ds=ds)}"
        f" --items {ITEMS.at(ds=LAST)} --click_counts {CLICK_COUNTS.at(ds=ds)} --query_counts {QUERY_COUNTS.at(ds=ds)}\n"
        for ds in (DAYS[1], DAYS[0])
    )
    env = {name: text for name, text in os.environ.items() if name != "NIGHTSHELF_WARM_SPARK"}
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "batch", "--commands", "-"],
        input=commands,
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
        env={**env, "TZ": "Pacific/Kiritimati"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    windows()
    assert published() == before


def test_what_should_not_have_been_typed_goes_nowhere(shop: None) -> None:
    """Of each text with personal data: the whole of it, and what in it has an @ or is a row of digits."""
    secrets, rare = set(), set()
    for ds in DAYS:
        _, searches, counts = truths(pin(SIMULATED_TRUTH.at(ds=ds)))
        assert counts["personal"] > 5
        for typed in searches.loc[searches["personal"].notna(), "query"]:
            text = normalise_query(typed)
            secrets |= {text, *re.findall(r"\S+@\S+|\d[\d\s./-]{5,}\d", text)}
        few = searches[searches["rare_clients"].between(1, FEW - 1)]
        rare |= {normalise_query(text) for text in few["query"]}
    assert len(rare) > 10
    everything = texts_of(DERIVED)
    asked = {row["query"] for ds in DAYS for row in read_table(pin(QUERY_COUNTS.at(ds=ds))).to_pylist()}
    assert all(query in everything for query in asked), "what is there is found"
    assert not [text for text in secrets | rare if text in everything]
    # where rare queries are let through, the masks alone stand between
    impressions.main(impressions.Args(LOG.at(ds=DAYS[0]), IMPRESSIONS.at(ds=DAYS[0]), min_searchers=1))
    everything = texts_of([IMPRESSIONS])
    assert "<email>" in everything
    assert "<phone>" in everything
    # nine digits in a row behind a product's words may be its number: models.privacy lets them be
    open_to_doubt = re.compile(r"(?<!\d)\d{9}$")
    assert not [one for one in secrets if one in everything and not open_to_doubt.search(one)]
