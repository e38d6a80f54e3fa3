"""Sessions and pairs by Spark: the same rows as DuckDB, whole sessions in a file, held-out sessions left out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.lake.partitions import CO_OCCURRENCES, SESSION_EVENTS, SESSION_ITEMS
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.recommendations import co_occurrences, session_items
from jobs.recommendations.item2vec import Sessions
from tests import duck
from tests.jobs.recommendations.shop import DS, Args, publish_holdout

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def publish_events() -> pa.Table:
    """Three hundred sessions, sixty of which are held out: their ids are those of publish_holdout."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "session_id": f"h{number}" if number < 60 else f"s{number}",
            "ordinal": place + 1,
            "client_id": f"c{number % 40}" if number % 3 else None,
            "item_id": f"i{item}",
            "action": "purchase" if place == 4 else "view",
            "occurred_at": NOON + timedelta(seconds=int(number * 100 + place)),
            "query_id": None,
            "placement": "recommendation" if rng.random() < 0.1 else "offer_page",
            "day": date(2026, 1, 31),
        }
        for number in range(300)
        for place, item in enumerate(rng.integers(0, 12, 5))
    ]
    with publish(SESSION_EVENTS.at(ds=DS), Args(SESSION_EVENTS.at(ds=DS))) as out:
        out.write_table(pa.Table.from_pylist(rows))
        out.count("rows", 1, 1, {})
    return read_table(pin(SESSION_EVENTS.at(ds=DS)))


@pytest.mark.spark
def test_spark_makes_the_rows_that_duckdb_makes(lake: Path) -> None:
    events, holdout = publish_events(), publish_holdout()
    items, pairs = SESSION_ITEMS.at(ds=DS), CO_OCCURRENCES.at(ds=DS)
    session_items.main(session_items.Args(SESSION_EVENTS.at(ds=DS), items, holdout, max_items=4))
    co_occurrences.main(co_occurrences.Args(items, pairs, max_gap=3))
    engine = duck.connect()
    engine.register("session_events", events)
    held = read_table(pin(holdout), ["session_id"])
    engine.register("held_out", held)
    settings: dict[str, Any] = {"max_items": 4, "recommendation_weight": 0.0}
    engine.execute(f"CREATE TABLE session_items AS {duck.bound('session_items')}", settings)
    order: Any = [("session_id", "ascending"), ("place", "ascending")]
    by_spark = read_table(pin(items))
    assert (
        by_spark.sort_by(order).to_pylist() == engine.table("session_items").to_arrow_table().sort_by(order).to_pylist()
    )
    assert not set(by_spark.column("session_id").to_pylist()) & set(held.column("session_id").to_pylist())
    settings = {"ds": DS, "half_life_days": 0.0, "max_gap": 3, "min_voices": 1, "max_others": 500}
    order = [("item_id", "ascending"), ("other_id", "ascending")]
    expected = duck.rows_of(engine, "co_occurrences", settings).sort_by(order).to_pylist()
    assert read_table(pin(pairs)).sort_by(order).to_pylist() == expected and len(expected) == 132
    # streamed as whole sessions of two items or more
    streamed = sorted(map(tuple, Sessions(pin(items), {})))
    whole: dict[str, list[str]] = {}
    for row in by_spark.to_pylist():
        whole.setdefault(row["session_id"], []).append(row["item_id"])
    assert streamed == sorted(tuple(some) for some in whole.values() if len(some) > 1)
    with pytest.raises(ValueError, match="0 items of 0 events"):
        first = SESSION_EVENTS.at(ds="2026-01-30")
        with publish(first, Args(first)) as out:
            out.write_table(events.slice(0, 0))
            out.count("rows", 1, 1, {})
        all_held = session_items.Args(first, SESSION_ITEMS.at(ds="2026-01-30"))
        session_items.main(all_held)


def test_sessions_are_whole_whatever_the_batches(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, 40).tolist()
    names = [f"s{number:02d}" for number, size in enumerate(sizes) for _ in range(size)]
    items = [f"i{number}" for number in rng.integers(0, 9, len(names))]
    with publish(SESSION_ITEMS.at(ds=DS), Args(SESSION_ITEMS.at(ds=DS))) as out:
        columns: dict[str, Any] = {
            "session_id": names,
            "client_id": pa.nulls(len(names), pa.string()),
            "place": [1] * len(names),
        }
        more: dict[str, Any] = {
            "weight": [1.0] * len(names),
            "bought": [False] * len(names),
            "n_items": [1] * len(names),
        }
        out.write_table(pa.table({**columns, "item_id": items, **more, "day": [date(2026, 1, 1)] * len(names)}))
        out.count("rows", 1, 1, {})
    ends = np.cumsum([0, *sizes])
    expected = [items[start:end] for start, end in pairwise(ends.tolist()) if end - start > 1]
    for batch in (1, 2, 3, 7, 1_000):
        monkeypatch.setattr("jobs.recommendations.item2vec.BATCH_ROWS", batch)
        sentences = Sessions(pin(SESSION_ITEMS.at(ds=DS)), {})
        assert list(sentences) == expected == list(sentences), batch
    with_brand = list(Sessions(pin(SESSION_ITEMS.at(ds=DS)), {"i1": ["brand=x"]}))
    assert [word for some in with_brand for word in some if "=" not in word] == [i for some in expected for i in some]
    assert all(some[at + 1] == "brand=x" for some in with_brand for at, word in enumerate(some) if word == "i1")
