"""A small shop with sessions: two categories, items of one series go together, some items have no session yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.lake.partitions import CO_OCCURRENCES, EMBEDDINGS, HOLDOUT_SESSIONS, ITEM2VEC, ITEMS, SESSION_ITEMS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.recommendations import item2vec, item_embeddings
from tests import duck

DS = "2026-01-31"
SERIES, PER_SERIES = 12, 6
COLOURS = ("red", "blue", "green", "white", "black", "grey")
THINGS = ("lamp", "mug", "tent", "towel", "clock", "vase", "drill", "saw", "rope", "torch", "bag", "chair")
NEW = (0, 17)  # no session has them
TWINS = (6, 7)  # one product, two offers


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def name(row: int) -> str:
    return f"i{row:03d}"


def titles() -> list[str]:
    made = [f"{COLOURS[row % PER_SERIES]} {THINGS[row // PER_SERIES]}" for row in range(SERIES * PER_SERIES)]
    made[TWINS[1]] = made[TWINS[0]]
    return made


def sessions(seed: int = 0, count: int = 500, shuffled: bool = False) -> list[list[int]]:
    """Sessions of four different items of one series; shuffled: of any."""
    rng = np.random.default_rng(seed)
    old = [[row for row in range(s * PER_SERIES, (s + 1) * PER_SERIES) if row not in NEW] for s in range(SERIES)]
    if shuffled:
        old = [[row for some in old for row in some]] * SERIES
    return [rng.permutation(old[rng.integers(SERIES)])[:4].tolist() for _ in range(count)]


def _publish(partition: Partition, columns: dict[str, Any]) -> None:
    with publish(partition, Args(partition)) as out:
        out.write_table(pa.table(columns))
        out.count("rows", 1, 1, {})


def publish_items(ds: str = DS, left: int = 0) -> Partition:
    """The catalogue; its first `left` items have left it."""
    rows, nothing = range(SERIES * PER_SERIES), pa.nulls(SERIES * PER_SERIES, pa.string())
    tops = ["home" if row // PER_SERIES < 6 else "sport" for row in rows]
    columns: dict[str, Any] = {
        "item_id": [name(row) for row in rows],
        "title": titles(),
        "category": [f"{top} > {THINGS[row // PER_SERIES]}" for row, top in zip(rows, tops, strict=True)],
        "categories": pa.nulls(len(rows), pa.list_(pa.string())),
        "brand": [f"brand{row // PER_SERIES}" for row in rows],
        "attributes": pa.array([[] for _ in rows], pa.map_(pa.string(), pa.string())),
        "price": [1.0] * len(rows),
        "currency": nothing,
        "group_id": [name(TWINS[0]) if row in TWINS else name(row) for row in rows],
        "text": titles(),
        "content_hash": titles(),
    }
    _publish(ITEMS.at(ds=ds), {column: values[left:] for column, values in columns.items()})
    return ITEMS.at(ds=ds)


def publish_sessions(shuffled: bool = False) -> tuple[Partition, Partition]:
    """session_items, and co_occurrences of it by the lake's own text."""
    rows = [
        {
            "session_id": f"s{number:04d}",
            "client_id": f"c{number % 100:03d}" if number % 10 else None,
            "place": place + 1,
            "item_id": name(item),
            "weight": 1.0,
            "bought": place == 3,
            "n_items": 4,
            # c000 to c049 were here lately
            "day": date(2026, 1, 30) if number % 100 < 50 else date(2025, 12, 1),
        }
        for number, some in enumerate(sessions(shuffled=shuffled))
        for place, item in enumerate(some)
    ]
    _publish(SESSION_ITEMS.at(ds=DS), {key: [row[key] for row in rows] for key in rows[0]})
    engine = duck.connect()
    engine.register("session_items", pa.Table.from_pylist(rows))
    settings = {"ds": DS, "max_gap": 10, "min_voices": 1, "max_others": 500, "half_life_days": 0.0}
    made = duck.rows_of(engine, "co_occurrences", settings).sort_by(
        [("item_id", "ascending"), ("other_id", "ascending")]
    )
    _publish(CO_OCCURRENCES.at(ds=DS), {column: made.column(column) for column in made.column_names})
    return SESSION_ITEMS.at(ds=DS), CO_OCCURRENCES.at(ds=DS)


def publish_vectors(method: str, **settings: int) -> Partition:
    """Train vectors and embed the catalogue with them; returns the shard."""
    given = {} if method == "content" else {"session_items": SESSION_ITEMS.at(ds=DS)}
    model = ITEM2VEC.at(ds=DS, method=method)
    sizes = {"vector_size": 16, "epochs": 5, **settings}
    made = item2vec.main(item2vec.Args(ITEMS.at(ds=DS), model, **given, **sizes))  # type: ignore[arg-type]
    shard = EMBEDDINGS.at(ds=DS, space=str(made["space"]), shard="0of1")
    item_embeddings.main(item_embeddings.Args(items=ITEMS.at(ds=DS), item2vec=model, embeddings=shard))
    return shard


def publish_holdout(shuffled: bool = False) -> Partition:
    """The last item of later sessions, half of them dev."""
    some = sessions(seed=1, count=240, shuffled=shuffled)
    columns = {
        "query_id": [f"q{number:03d}" for number in range(len(some))],
        "session_id": [f"h{number}" for number in range(len(some))],
        "client_id": pa.nulls(len(some), pa.string()),
        "given": [[name(item) for item in session[:-1]] for session in some],
        "target": [name(session[-1]) for session in some],
        "day": [date(2026, 1, 31)] * len(some),
        "split": ["dev" if number % 2 else "test" for number in range(len(some))],
    }
    _publish(HOLDOUT_SESSIONS.at(ds=DS), columns)
    return HOLDOUT_SESSIONS.at(ds=DS)


def content_of(partition: Partition) -> str:
    return pin(partition).manifest.content_sha256
