"""A small shop in a lake: items, queries, judgements and towers, enough for every serving job."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.bundle.tower_files import write_towers
from jobs.lake.partitions import (
    CODES,
    EMBEDDINGS,
    INDEX,
    ITEMS,
    QRELS,
    QUERIES,
    RANKINGS,
    REPORT,
    TOWERS,
    TRAINED_INDEX,
    Partition,
)
from jobs.lake.publish import publish
from jobs.lake.read import pin
from models.text.normalise import normalise_query, query_id
from models.text.tokens import train_tokenizer
from models.towers.space_id import space_id
from models.towers.two_tower import TowerConfig, TwoTower

DS = "2026-01-31"
NOUNS = ["shoes", "drill", "lamp", "kettle", "tent", "jacket", "cable", "bottle", "table", "saw"]
COLOURS = ["red", "blue", "green", "black", "white", "grey", "yellow", "brown"]
BRANDS = ["Acme", "Nordvik", "Polaris", "Zenit", "Kubala"]
HOSTILE = {
    "query": "<script>alert(1)</script> shoes \x1b[31m",
    "title": 'Lamp <img src=x onerror="alert(2)"> \x1b]0;owned\x07 {{ 7*7 }}',
}


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


@dataclass(frozen=True)
class Shop:
    """Where everything of one pair of towers lies."""

    space: str
    towers: Partition
    items: Partition = field(default_factory=lambda: ITEMS.at(ds=DS))
    queries: Partition = field(default_factory=lambda: QUERIES.at(ds=DS))
    qrels: Partition = field(default_factory=lambda: QRELS.at(ds=DS))

    def embeddings(self, shard: str = "0of2") -> Partition:
        return EMBEDDINGS.at(ds=DS, space=self.space, shard=shard)

    def codes(self, shard: str = "0of2") -> Partition:
        return CODES.at(ds=DS, space=self.space, shard=shard)

    @property
    def trained_index(self) -> Partition:
        return TRAINED_INDEX.at(ds=DS, space=self.space)

    @property
    def index(self) -> Partition:
        return INDEX.at(ds=DS, space=self.space)

    @property
    def rankings(self) -> Partition:
        return RANKINGS.at(ds=DS, space=self.space)

    @property
    def report(self) -> Partition:
        return REPORT.at(ds=DS, space=self.space)


@contextmanager
def opened(root: Path) -> Iterator[Shop]:
    """A lake and a home below a folder that hold the day's tables and untrained towers, for a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        publish_tables()
        yield publish_towers()


def copied(shop: Shop, to: Path, patch: pytest.MonkeyPatch) -> Shop:
    """A copy of the lake, free to spoil. Manifests hold no absolute path, so a copy is as good."""
    here = pin(shop.index).uri.partition("/index_v1")[0]
    shutil.copytree(here, to / "lake")
    patch.setenv("NIGHTSHELF_LAKE", str(to / "lake"))
    return shop


def titles() -> list[str]:
    rng = np.random.default_rng(0)
    plain = [
        f"{brand} {colour} {noun} {rng.integers(100, 999)}{'abc'[rng.integers(3)]}"
        for brand in BRANDS
        for colour in COLOURS
        for noun in NOUNS
    ]
    return [*plain, HOSTILE["title"]]


def publish_tables(simulated: bool = False, keep: int | None = None) -> None:
    """Publish items, queries and qrels of the day; keep: only so many items."""
    names = titles()[:keep]
    ids = [f"item-{(7919 * row) % 1009:04d}" for row in range(len(names))]  # not in order of id
    empty = [""] * len(names)
    items = {
        "item_id": ids,
        "title": names,
        "category": empty,
        "categories": pa.array([[] for _ in names], pa.list_(pa.string())),
        "brand": empty,
        "attributes": pa.array([[] for _ in names], pa.map_(pa.string(), pa.string())),
        "price": [1.0] * len(names),
        "currency": pa.nulls(len(names), pa.string()),
        "group_id": ids,
        "text": names,
        "content_hash": ids,
    }
    _publish(ITEMS.at(ds=DS), items, simulated)
    asked = [f"{colour} {noun}" for colour in COLOURS for noun in NOUNS] + [HOSTILE["query"]]
    texts = [normalise_query(text) for text in asked]
    texts[-1] = HOSTILE["query"]  # as if normalisation had let it through
    names_of = [query_id(text) for text in texts]
    splits = ["test" if row % 2 else "dev" for row in range(len(texts) - 1)] + ["test"]
    segments = [("head", "torso", "tail", "unseen")[row % 4] for row in range(len(texts))]
    queries = {
        "query_id": names_of,
        "query": texts,
        "searches": list(range(len(texts))),
        "segment": segments,
        "split": splits,
    }
    _publish(QUERIES.at(ds=DS), queries, simulated)
    judged = [
        (name, item, 3.0 if colour_noun else 1.0, split, "labels")
        for name, text, split in zip(names_of, texts, splits, strict=True)
        for item, title in zip(ids, names, strict=True)
        if (colour_noun := all(word in title for word in text.split()))
        or (text.split()[-1] in title and int(item[-4:]) % 9 == 0)
        or (text == HOSTILE["query"] and title == HOSTILE["title"])
    ]
    columns = ("query_id", "item_id", "relevance", "split", "source")
    judged = [(*row[:2], 3.0, *row[3:]) if row[0] == names_of[-1] else row for row in judged]
    found = {name: [row[place] for row in judged] for place, name in enumerate(columns)}
    _publish(QRELS.at(ds=DS), found, simulated)


def _publish(target: Partition, columns: dict[str, object], simulated: bool) -> None:
    with publish(target, Args(target)) as out:
        out.simulated = simulated
        out.write_table(pa.table(columns))


def publish_towers(seed: int = 0, step: str = "star") -> Shop:
    """Publish untrained towers: random trigram vectors, which still find words that they share."""
    torch.manual_seed(seed)
    config = TowerConfig(dim=64, trigram_buckets=1 << 14)
    return publish_trained(TwoTower(config, train_tokenizer(titles(), 500)).eval(), step)


def publish_trained(towers: TwoTower, step: str) -> Shop:
    """Publish these towers."""
    target = TOWERS.at(ds=DS, step=step)
    with publish(target, Args(target)) as out:
        write_towers(towers, out.folder, ["red shoes"], titles()[:2])
        out.facts.update(space_id=space_id(towers), dim=towers.config.dim)
    return Shop(space_id(towers), target)
