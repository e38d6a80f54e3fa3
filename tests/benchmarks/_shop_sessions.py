"""Tables that the fault bench's shop makes of sessions: events, items in order, pairs, neighbours, lists for clients."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests import duck

SESSIONS, CLIENTS, LONGEST, NEAR = 250, 400, 6, 8
SETTINGS = {"max_items": 50, "recommendation_weight": 0.0}
PAIRED = {"max_gap": 10, "min_voices": 1, "max_others": 500, "half_life_days": 0.0}


def events(day: date, alive: np.ndarray, volume: float, rng: np.random.Generator) -> pd.DataFrame:
    """Sessions of one to six events on items that lie near each other; one in eight buys what it ends with."""
    lengths = rng.integers(1, LONGEST + 1, int(SESSIONS * volume))
    session = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first, client = rng.integers(0, len(alive), len(lengths)), rng.integers(0, CLIENTS, len(lengths))
    item = alive[(first[session] + rng.integers(0, 12, len(session))) % len(alive)]
    buys = (rng.random(len(lengths)) < 0.125)[session] & (place == lengths[session] - 1)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    hashed = np.array([hashlib.sha256(f"client {n}".encode()).hexdigest() for n in range(CLIENTS)], object)
    return pd.DataFrame(
        {
            "session_id": [hashlib.sha1(f"{day} {n}".encode(), usedforsecurity=False).hexdigest() for n in session],
            "ordinal": place + 1,
            "client_id": np.where(client % 10 == 0, None, hashed[client])[session],
            "item_id": [f"i{n}" for n in item],
            "action": np.where(buys, "purchase", np.where(rng.random(len(session)) < 0.5, "view", "click")),
            "occurred_at": [noon + timedelta(seconds=int(n)) for n in session * 60 + place * 7],
            "query_id": None,
            "placement": "offer_page",
            "day": day,
        }
    )


def learnt(window: pd.DataFrame, day: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """session_items and co_occurrences of a window of events, by the lake's own texts."""
    engine = duck.connect()
    rows: Any = pa.Table.from_pandas(window.assign(query_id=window["query_id"].astype("string")), preserve_index=False)
    engine.register("session_events", rows)
    engine.register("held_out", pa.table({"session_id": pa.array([], pa.string())}))
    engine.execute(f"CREATE TABLE session_items AS {duck.bound('session_items')}", SETTINGS)
    items = engine.table("session_items").to_arrow_table().to_pandas()
    pairs = duck.rows_of(engine, "co_occurrences", {**PAIRED, "ds": day.isoformat()}).to_pandas()
    return items, pairs


def neighbours(ids: np.ndarray, pairs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Eight neighbours of every item, whose scores fall."""
    support = pairs.groupby("item_id")["support"].max().reindex(ids, fill_value=0).to_numpy()
    steps = np.stack([rng.permutation(np.arange(1, 2 * NEAR))[:NEAR] for _ in ids])
    near = ids[(np.arange(len(ids))[:, None] + steps) % len(ids)]
    return pd.DataFrame(
        {"item_id": ids, "neighbour_ids": list(near), "scores": list(falling(near.shape, rng)), "support": support}
    )


def of_clients(items: pd.DataFrame, ids: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """A list of eight items for every client of the window."""
    clients, visited = np.unique(items["client_id"].dropna().to_numpy(str), return_counts=True)
    starts = rng.integers(0, len(ids), len(clients))
    listed = ids[(starts[:, None] + np.arange(NEAR)) % len(ids)]
    return pd.DataFrame(
        {"client_id": clients, "item_ids": list(listed), "scores": list(falling(listed.shape, rng)), "visited": visited}
    )


def falling(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Scores that fall along each row."""
    return -np.sort(-rng.random(shape), axis=1)
