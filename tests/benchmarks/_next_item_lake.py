"""Sessions as tables of a lake, so that benchmarks run the commands themselves: by the lake's own texts, run by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from jobs.lake.partitions import CO_OCCURRENCES, HOLDOUT_SESSIONS, ITEMS, SESSION_ITEMS, Partition
from jobs.lake.publish import publish
from tests import duck
from tests.benchmarks._next_item import Pairs, Session

DS = "2026-01-31"
CATALOGUE = ITEMS.at(ds=DS)


class Product(NamedTuple):
    """What a shop knows of an item."""

    title: str = ""
    category: str = ""
    brand: str = ""
    group_id: str = ""


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def session_items(train: list[Session], max_items: int = 200) -> pa.Table:
    """Rows of session_items: the last items of each basket or session."""
    items = [(f"{number:08d}", day, item) for number, (day, some) in enumerate(train) for item in some]
    session, day, item = zip(*items, strict=True)
    moments = [datetime.fromisoformat(f"{one}T00:00:00+00:00") for one in day]
    events = pa.table(
        {
            "session_id": session,
            "client_id": pa.nulls(len(items), pa.string()),
            "item_id": item,
            "ordinal": list(range(len(items))),
            "occurred_at": moments,
            "placement": ["basket"] * len(items),
            "action": ["purchase"] * len(items),
            "day": [moment.date() for moment in moments],
        }
    )
    engine = duck.connect()
    engine.register("session_events", events)
    engine.register("held_out", events.select(["session_id"]).slice(0, 0))
    settings: dict[str, Any] = {"recommendation_weight": 0.0, "max_items": max_items}
    return duck.rows_of(engine, "session_items", settings).sort_by(
        [("session_id", "ascending"), ("place", "ascending")]
    )


def co_occurrences(sessions: pa.Table, last_day: str, half_life_days: float = 0.0) -> pa.Table:
    """Rows of co_occurrences of session_items. last_day: on which a session counts whole."""
    engine = duck.connect()
    engine.register("session_items", sessions)
    settings = {"ds": last_day, "half_life_days": half_life_days, "max_gap": 10, "min_voices": 1, "max_others": 1_000}
    return duck.rows_of(engine, "co_occurrences", settings)


def publish_shop(
    products: Mapping[str, Product], sessions: pa.Table, held: Mapping[str, Pairs], pairs: pa.Table | None = None
) -> None:
    """Publish items, session_items, holdout_sessions and co_occurrences of DS. held: split -> (given, target)."""
    publish_items(products)
    _publish(SESSION_ITEMS.at(ds=DS), sessions)
    if pairs is not None:
        _publish(CO_OCCURRENCES.at(ds=DS), pairs.sort_by([("item_id", "ascending"), ("other_id", "ascending")]))
    rows = [(split, given, target) for split, some in held.items() for given, target in some]
    names = [f"{number:08d}" for number in range(len(rows))]
    table = {
        "query_id": names,
        "session_id": names,
        "client_id": pa.nulls(len(rows), pa.string()),
        "given": [[given] for _, given, _ in rows],
        "target": [target for *_, target in rows],
        "day": [datetime.fromisoformat(DS).date()] * len(rows),
        "split": [split for split, *_ in rows],
    }
    _publish(HOLDOUT_SESSIONS.at(ds=DS), pa.table(table))


def publish_items(products: Mapping[str, Product], at: Partition = CATALOGUE) -> None:
    """Publish a catalogue."""
    _publish(at, _items(products))


def _items(products: Mapping[str, Product]) -> pa.Table:
    names = sorted(products)
    some = [products[name] for name in names]
    text = [" ".join(filter(None, (one.title, one.category.replace(" > ", " "), one.brand))) for one in some]
    return pa.table(
        {
            "item_id": names,
            "title": [one.title for one in some],
            "category": [one.category for one in some],
            "categories": pa.nulls(len(some), pa.list_(pa.string())),
            "brand": [one.brand for one in some],
            "attributes": pa.array([[] for _ in some], pa.map_(pa.string(), pa.string())),
            "price": [1.0] * len(some),
            "currency": pa.nulls(len(some), pa.string()),
            "group_id": [one.group_id for one in some],
            "text": text,
            "content_hash": text,
        }
    )


def _publish(partition: Partition, rows: pa.Table) -> None:
    with publish(partition, Args(partition)) as out:
        out.write_table(rows)
        out.count("rows", rows.num_rows, rows.num_rows, {})
