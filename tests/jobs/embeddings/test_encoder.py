"""A second encoder, of pictures in a folder: the hash is of what it reads, and everything after it is the item tower's."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.embeddings.embed_shard import ShardOptions, embed_shard
from jobs.embeddings.encoder import Encoder, EncoderSource, Vectors
from jobs.embeddings.engines import on_executor, unseen
from jobs.embeddings.read_shards import Embedded
from jobs.embeddings.worker import PackedMask, ShardTask, Worker, run_worker
from jobs.embeddings.writer import ShardWriter
from jobs.lake.arrow import Strings
from jobs.lake.partitions import EMBEDDINGS, ITEMS, NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from tests.jobs.shop import publish_towers
from tests.jobs.towers.catalogue import day, embed, hashes_of, publish_items, shard, texts, vectors_of

SPACE = "9" * 16
ITEMS_OF_SHOP = {f"i{row:03d}": text for row, text in enumerate(texts(60))}


class Pictures(Encoder[list[bytes]]):
    """The whole of a toy encoder: how often each of eight kinds of byte occurs in an item's picture."""

    width, spaces = 8, (SPACE,)

    def __init__(self, *, device: torch.device, folder: str) -> None:
        self.folder = Path(folder)

    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        return pa.array([hashlib.sha1(picture).hexdigest() for picture in self.features(items)])

    def features(self, items: pa.RecordBatch) -> list[bytes]:
        return [(self.folder / name).read_bytes() for name in items.column("item_id").to_pylist()]

    def encode(self, features: list[bytes]) -> Vectors:
        counts = [np.bincount(np.frombuffer(picture, np.uint8) // 32, minlength=8) for picture in features]
        vectors = np.array(counts, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Args(ShardOptions, kw_only=True):
    """folder  of the pictures"""

    folder: str


def picture(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, 40, np.uint8).tobytes()


@pytest.fixture
def folder(lake: Path, tmp_path: Path) -> str:
    """A day's items, and a picture of each."""
    made = tmp_path / "pictures"
    made.mkdir()
    for row, name in enumerate(ITEMS_OF_SHOP):
        (made / name).write_bytes(picture(row))
    publish_items(day(1), ITEMS_OF_SHOP)
    return str(made)


def at(ds: str) -> Partition:
    return EMBEDDINGS.at(ds=ds, space=SPACE, shard="0of1")


def embed_pictures(ds: str, folder: str, previous: Partition = NOWHERE) -> dict[str, object]:
    """All that a command of another room calls."""
    args = Args(folder=folder, previous=previous, chunk_items=16)
    figures = embed_shard(ITEMS.at(ds=ds), at(ds), EncoderSource.of(Pictures, folder=folder), args)
    assert figures is not None
    return figures


def test_a_changed_picture_is_encoded_again_and_a_changed_text_is_not(folder: str) -> None:
    assert embed_pictures(day(1), folder)["encoded"] == 60
    first = vectors_of(at(day(1)))
    (Path(folder) / "i007").write_bytes(picture(1007))
    items = {name: f"{text} nowy" for name, text in ITEMS_OF_SHOP.items() if name != "i003"}
    publish_items(day(2), items)
    figures = embed_pictures(day(2), folder, at(day(1)))
    assert (figures["encoded"], figures["taken_over"], figures["ended"]) == (1, 58, 1)
    second = vectors_of(at(day(2)))
    assert {name for name in second if (second[name] != first[name]).any()} == {"i007"}
    assert hashes_of(at(day(2)))["i007"] == hashlib.sha1(picture(1007)).hexdigest()


def test_an_encoder_writes_to_its_own_space_only(folder: str) -> None:
    other = EMBEDDINGS.at(ds=day(1), space="8" * 16, shard="0of1")
    source = EncoderSource.of(Pictures, folder=folder)
    with pytest.raises(ValueError, match=f"has space id {SPACE}.*write to space={SPACE}"):
        embed_shard(ITEMS.at(ds=day(1)), other, source, Args(folder=folder))


def test_an_encoder_travels_to_another_process(folder: str, tmp_path: Path) -> None:
    """torchrun and Spark pickle the task; a Spark worker finds its loaded encoder by the value of the source."""
    items = pin(ITEMS.at(ds=day(1)))
    task = ShardTask(
        items=(str(items.partition), items.manifest.attempt),
        encoder=EncoderSource.of(Pictures, folder=folder),
        previous=None,
        uri=str(tmp_path / "out"),
        lake=str(tmp_path / "lake"),
        trials="",
        shard=0,
        shards=1,
        storage="fp32",
        chunk_items=7,
        to_encode=PackedMask.of(np.arange(60) % 2 == 0),
        to_keep=PackedMask.of(np.zeros(0, np.bool_)),
    )
    arrived = pickle.loads(pickle.dumps(task))
    assert arrived == task and hash(arrived.encoder) == hash(task.encoder)
    parts = [on_executor(pickle.loads(pickle.dumps(task)), rank, 2) for rank in range(2)]
    assert [part.loaded for part in parts] == [1, 0]
    assert sum(part.encoded for part in parts) == 30
    assert run_worker(task, task.encoder.load("cpu"), Worker(), unseen).encoded == 30


def test_shards_of_earlier_code_are_taken_over_by_the_item_towers_text_hash(lake: Path) -> None:
    """Facts and columns as versions before the seam published them."""
    shop = publish_towers()
    publish_items(day(1), ITEMS_OF_SHOP)
    publish_items(day(2), ITEMS_OF_SHOP | {"i000": "buty"})
    rows = pa.table({"item_id": list(ITEMS_OF_SHOP), "text": list(ITEMS_OF_SHOP.values())})
    hashes = pa.array([hashlib.sha1(text.encode()).hexdigest() for text in ITEMS_OF_SHOP.values()])
    vectors = np.eye(64, dtype=np.float32)[np.arange(60) % 64]
    old = shard(shop, day(1), "0of1")
    with publish(old, Args(folder=""), [pin(ITEMS.at(ds=day(1)))]) as out:
        writer = ShardWriter(out.uri, "encoded-00000", "fp16")
        writer.write(Embedded(rows["item_id"].combine_chunks(), hashes, vectors))
        writer.close()
        out.facts.update(space_id=shop.space, precision="auto", storage="fp16", items=60, items_s=10.0, encoded=60)
    figures = embed(shop, day(2), "0of1", before=day(1))
    assert (figures["encoded"], figures["taken_over"]) == (1, 59)
    np.testing.assert_array_equal(vectors_of(shard(shop, day(2), "0of1"))["i009"], vectors[9])
