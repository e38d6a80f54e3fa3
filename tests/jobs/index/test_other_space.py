"""Vectors of another encoder become an index without towers: trained index, codes, merged, tuned, searched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.embeddings.embed_shard import ShardOptions, embed_shard
from jobs.embeddings.encoder import Encoder, EncoderSource, Vectors
from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.index import codes
from jobs.index.assemble import MergedCodes, assemble, pin_codes
from jobs.index.search_parameters import RecallSettings, tune_search
from jobs.index.shard_codes import CodedShard
from jobs.index.tune import IndexSettings, TrainedIndex, TuningSample, keep_or_train
from jobs.lake.arrow import Strings
from jobs.lake.partitions import CODES, EMBEDDINGS, ITEMS, TRAINED_INDEX, Partition, Table
from jobs.lake.publish import publish
from jobs.lake.read import pin
from models.ann.search import ask
from tests.jobs.towers.catalogue import day, publish_items, texts

SPACE, DIM = "5" * 16, 16


class TitleDirections(Encoder[Vectors]):
    """A toy encoder: a random direction, drawn by the title."""

    width, spaces, columns, hash_columns = DIM, (SPACE,), (), ("title",)

    def __init__(self, *, device: torch.device) -> None:
        """It has no weights."""

    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        return pa.array([hashlib.sha1(title.encode()).hexdigest() for title in items.column("title").to_pylist()])

    def features(self, items: pa.RecordBatch) -> Vectors:
        seeds = [int(digest[:8], 16) for digest in self.content_hashes(items).to_pylist()]
        return np.array([np.random.default_rng(seed).standard_normal(DIM) for seed in seeds], np.float32)

    def encode(self, features: Vectors) -> Vectors:
        return features / np.linalg.norm(features, axis=1, keepdims=True)


def address(table: Table, ds: str, **keys: str) -> Partition:
    return table.at(ds=ds, space=SPACE, **keys)


def embed(ds: str) -> Partition:
    source = EncoderSource.of(TitleDirections)
    for shard in ("0of2", "1of2"):
        embed_shard(ITEMS.at(ds=ds), address(EMBEDDINGS, ds, shard=shard), source, ShardOptions())
    return address(EMBEDDINGS, ds, shard="0of2")


def train(ds: str, before: str = "", factory: str = "IVF8,SQ8") -> Partition:
    """The calls of a command of another room; items are its queries, as in a search by picture."""
    shards, target = pin_shards(address(EMBEDDINGS, ds, shard="0of2")), address(TRAINED_INDEX, ds)
    settings = IndexSettings(factory=factory, recall_depth=10)
    sample = TuningSample.draw(settings, shards, read_vectors(shards)[1][:50])
    previous = pin(address(TRAINED_INDEX, before)) if before else None
    with publish(target, settings, shards) as out:
        keep_or_train(settings, sample, previous, out)
        out.facts.update(space_id=SPACE)
    return target


@pytest.fixture
def shop(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{lake.parent}/mlflow.db")
    items = {f"i{row:04d}": text for row, text in enumerate(texts(1200))}
    publish_items(day(1), items)
    publish_items(day(2), items | {"i0000": "buty nowe", "new": "lampa"})


def test_copies_of_a_title_do_not_lower_the_recall(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 offers of each title: a flat index holds every target in the tuner, in the bundle's facts and in figures of age."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{lake.parent}/mlflow.db")
    publish_items(day(1), {f"i{row:04d}": text for row, text in enumerate(texts(40) * 30)})
    embed(day(1))
    trained = train(day(1), factory="Flat")
    facts = pin(trained).facts
    assert (facts["chosen"]["recall"], facts["then"]["recall"]) == (1.0, 1.0)
    assert facts["reason"].startswith("least CPU time")
    for shard in ("0of2", "1of2"):
        at = {"ds": day(1), "space": SPACE, "shard": shard}
        codes.main(codes.Args(EMBEDDINGS.at(**at), trained, CODES.at(**at)))
    merged = MergedCodes.of([CodedShard.open(shard) for shard in pin_codes(address(CODES, day(1), shard="0of2"))])
    filled = assemble(merged, TrainedIndex.open(pin(trained)), 4.0, tmp_path)
    shards = pin_shards(address(EMBEDDINGS, day(1), shard="0of2"))
    asked = read_vectors(shards)[1][:60]
    assert tune_search(RecallSettings(recall_depth=10), filled, shards, merged.ids, asked, None, {})["recall"] == 1.0


@pytest.mark.usefixtures("shop")
def test_another_space_becomes_an_index_of_its_own(tmp_path: Path) -> None:
    for ds, before in ((day(1), ""), (day(2), day(1))):
        embed(ds)
        trained = train(ds, before)
        for shard in ("0of2", "1of2"):
            at = {"ds": ds, "space": SPACE, "shard": shard}
            previous = CODES.at(**at | {"ds": before}) if before else Partition()
            codes.main(codes.Args(EMBEDDINGS.at(**at), trained, CODES.at(**at), previous))
    assert pin(trained).facts["decision"] == "kept"
    coded = pin_codes(address(CODES, day(2), shard="0of2"))
    assert sum(shard.facts["coded"] for shard in coded) == 2
    merged = MergedCodes.of([CodedShard.open(shard) for shard in coded])
    filled = assemble(merged, TrainedIndex.open(pin(trained)), 4.0, tmp_path)
    shards = pin_shards(address(EMBEDDINGS, day(2), shard="0of2"))
    vectors = read_vectors(shards)[1]
    facts = tune_search(
        RecallSettings(recall_target=0.9, recall_depth=10), filled, shards, merged.ids, vectors[:60], None, {}
    )
    assert facts["recall"] >= 0.9
    first = ask(filled.index, vectors, 1, {"nprobe": 8}).items[:, 0]
    assert (first == np.arange(1201)).mean() > 0.99, "an item is its own nearest neighbour"
