"""A catalogue that changes from day to day, embedded by untrained towers: enough for every embedding job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.embeddings import embed as embeddings
from jobs.embeddings.read_shards import shard_batches
from jobs.lake.partitions import EMBEDDINGS, ITEMS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from tests.jobs.shop import Shop

Catalogue = dict[str, str]  # item_id -> text


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def day(number: int) -> str:
    return f"2026-02-{number:02d}"


def texts(count: int, seed: int = 0) -> list[str]:
    """Titles of one to twelve words, some with letters beyond ASCII."""
    rng = np.random.default_rng(seed)
    words = ["buty", "łódka", "żółty", "RTX4090", "shoes", "lamp", "kabel", "usb-c", "2m", "czarny", "x"]
    return [" ".join(rng.choice(words, rng.integers(1, 13))) + f" {row}" for row in range(count)]


def publish_items(ds: str, items: Catalogue, files: int = 2, again: str = "") -> Partition:
    """Publish a catalogue in several files; again: an id that stands in it twice."""
    ids = [*items, *([again] if again else [])]
    read = [items[name] for name in ids]
    empty = [""] * len(ids)
    rows = pa.table(
        {
            "item_id": ids,
            "title": read,
            "category": empty,
            "categories": pa.nulls(len(ids), pa.list_(pa.string())),
            "brand": empty,
            "attributes": pa.array([[] for _ in ids], pa.map_(pa.string(), pa.string())),
            "price": [1.0] * len(ids),
            "currency": pa.nulls(len(ids), pa.string()),
            "group_id": ids,
            "text": read,
            "content_hash": [hashlib.sha1(text.encode()).hexdigest() for text in read],
        }
    )
    with publish(ITEMS.at(ds=ds), Args(ITEMS.at(ds=ds))) as out:
        each = -(-len(ids) // files)
        for number in range(files):
            part = rows.slice(number * each, each)
            pq.write_table(part, out.folder / f"part-{number:05d}.parquet", row_group_size=50)
    return ITEMS.at(ds=ds)


def shard(shop: Shop, ds: str, name: str = "0of2") -> Partition:
    return EMBEDDINGS.at(ds=ds, space=shop.space, shard=name)


def embed(shop: Shop, ds: str, name: str = "0of2", before: str = "", **more: Any) -> dict[str, Any]:
    """Embed one shard, taking over from the day before where one is named."""
    if before:
        more["previous"] = shard(shop, before, name)
    settings = {"chunk_items": 16, **more}
    found = embeddings.main(embeddings.Args(ITEMS.at(ds=ds), shop.towers, shard(shop, ds, name), **settings))
    assert found is not None
    return found


def vectors_of(at: Partition) -> dict[str, np.ndarray]:
    """item_id -> vector; an id that stands there twice is an error."""
    found: dict[str, np.ndarray] = {}
    for ids, _, vectors in shard_batches(pin(at)):
        for name, vector in zip(ids.to_pylist(), vectors, strict=True):
            assert name not in found
            found[name] = vector
    return found


def hashes_of(at: Partition) -> dict[str, str]:
    rows = read_table(pin(at), ["item_id", "content_hash"]).to_pylist()
    return {row["item_id"]: row["content_hash"] for row in rows}


def ended(at: Partition) -> list[str]:
    """Ids in the tombstones."""
    (uri,) = pin(at).files("tombstones")
    found: list[str] = pq.read_table(uri)["item_id"].to_pylist()
    return found
