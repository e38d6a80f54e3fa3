"""A lake with pairs, queries and items to learn from, small enough for seconds."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pyarrow as pa

from jobs.lake.partitions import ITEMS, PAIRS, QUERIES, TOWERS, Partition
from jobs.lake.publish import publish
from models.text.normalise import query_id
from tests.models.shop import ITEMS as TITLES
from tests.models.shop import QUERIES as TEXTS
from tests.models.shop import positives

DS = "2026-01-31"
SECRET = "sekretneslowo"  # a word that only a test query has
TABLES = {"pairs": PAIRS.at(ds=DS), "queries": QUERIES.at(ds=DS), "items": ITEMS.at(ds=DS)}
IN_BATCH, STAR = TOWERS.at(ds=DS, step="in_batch"), TOWERS.at(ds=DS, step="star")
SMALL: dict[str, object] = {"epochs": 3, "batch_size": 12, "dim": 16, "patience": 9, "lr": 0.01}
ITEM_IDS = [f"i{(37 * row) % 101:03d}" for row in range(len(TITLES))]  # not in order of id
QUERY_IDS = [query_id(text) for text in TEXTS]


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def split_of(row: int) -> str:
    """One query in five is for dev."""
    return "dev" if row % 5 == 4 else "train"


def publish_learning() -> None:
    """Pairs of the little shop, one pair of an item that is gone, and a test query."""
    empty = [""] * len(TITLES)
    _publish(
        ITEMS.at(ds=DS),
        {
            "item_id": ITEM_IDS,
            "title": TITLES,
            "category": empty,
            "categories": pa.array([[] for _ in TITLES], pa.list_(pa.string())),
            "brand": empty,
            "attributes": pa.array([[] for _ in TITLES], pa.map_(pa.string(), pa.string())),
            "price": [1.0] * len(TITLES),
            "currency": pa.nulls(len(TITLES), pa.string()),
            "group_id": ITEM_IDS,
            "text": TITLES,
            "content_hash": ITEM_IDS,
        },
    )
    texts, splits = [*TEXTS, SECRET], [*(split_of(q) for q in range(len(TEXTS))), "test"]
    _publish(
        QUERIES.at(ds=DS),
        {
            "query_id": [*QUERY_IDS, query_id(SECRET)],
            "query": texts,
            "searches": [1] * len(texts),
            "segment": ["tail"] * len(texts),
            "split": splits,
        },
    )
    rows = [(QUERY_IDS[q], ITEM_IDS[i], split_of(q)) for q, i in positives().tolist()]
    rows += [(QUERY_IDS[0], "gone", "train"), (query_id(SECRET), ITEM_IDS[0], "test")]
    _publish(
        PAIRS.at(ds=DS),
        {
            "query_id": [row[0] for row in rows],
            "item_id": [row[1] for row in rows],
            "clicks": [1] * len(rows),
            "carts": [0] * len(rows),
            "purchases": [0] * len(rows),
            "impressions": [1] * len(rows),
            "weight": [1.0] * len(rows),
            "last_day": [datetime.date(2026, 1, 31)] * len(rows),
            "split": [row[2] for row in rows],
        },
    )


def _publish(target: Partition, columns: dict[str, object]) -> None:
    with publish(target, Args(target)) as out:
        out.write_table(pa.table(columns))
