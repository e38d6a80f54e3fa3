"""Stores of a catalogue's texts: the rows of memory, from files; made once; damage, kills and clutter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.lake.partitions import ITEMS
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.towers import text_store as stores
from jobs.towers.dataset import bytes_per_pair, read_dataset
from jobs.towers.text_store import _spilled, item_store, item_texts, open_store
from models.text.ragged import Ragged, ragged
from models.text.text_store import TextStore
from tests.jobs.towers.classroom import DS, TABLES, Args, publish_learning
from tests.models.shop import towers

ATTRIBUTES = pa.map_(pa.string(), pa.string())
# row by row: null, empty, two bytes a letter, four bytes a letter, a long one, a NUL
TEXTS = [None, "", "żółw", "\U0001f600 a", "lampa " * 40, "a\x00b", *(f"item {i}" for i in range(30))]


def publish_items(texts: list[str | None], ids: list[str], files: int = 3) -> Pinned:
    target = ITEMS.at(ds=DS)
    with publish(target, Args(target)) as out:
        for number, rows in enumerate(np.array_split(np.arange(len(ids)), files)):
            empty = [""] * len(rows)
            columns = {
                "item_id": pa.array([ids[i] for i in rows]),
                "title": empty,
                "category": empty,
                "categories": pa.array([[] for _ in rows], pa.list_(pa.string())),
                "brand": empty,
                "attributes": pa.array([[] for _ in rows], ATTRIBUTES),
                "price": [1.0] * len(rows),
                "currency": pa.nulls(len(rows), pa.string()),
                "group_id": empty,
                "text": pa.array([texts[i] for i in rows], pa.string()),
                "content_hash": empty,
            }
            table = pa.table(columns)
            out.write_table(table, f"part-{number:05d}.parquet")
    return pin(target)


@pytest.fixture
def items(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Pinned:
    """Items in three files, not in the order of their ids, read seven at a time."""
    monkeypatch.setattr(stores, "CHUNK", 7)
    return publish_items(TEXTS, [f"i{(37 * row) % 101:03d}" for row in range(len(TEXTS))])


def in_order() -> list[str]:
    ids = [f"i{(37 * row) % 101:03d}" for row in range(len(TEXTS))]
    return [text or "" for _, text in sorted(zip(ids, TEXTS, strict=True))]


def same(first: TextStore, second: TextStore) -> bool:
    return all(
        np.array_equal(one.values, other.values) and np.array_equal(one.offsets, other.offsets)
        for one, other in ((first.trigrams, second.trigrams), (first.tokens, second.tokens))
    )


def test_texts_stand_in_the_order_of_ids(items: Pinned) -> None:
    found, expected = item_texts(items), in_order()
    assert len(found) == len(expected)
    assert found[:] == expected
    assert found[3:9] == expected[3:9]
    assert found[30:99] == expected[30:]
    assert found[5:5] == []
    rows = np.array([4, 0, 4, 35])
    assert found(rows) == [expected[row] for row in rows]
    assert [text for chunk in found.chunks() for text in chunk] == expected


@pytest.mark.parametrize("settings", [{}, {"encoders": "bert"}, {"encoders": "trigrams"}], ids=str)
def test_the_store_on_disk_is_the_store_in_memory(items: Pinned, settings: dict[str, object]) -> None:
    found = towers(**settings)  # type: ignore[arg-type]
    mapped_store, plain = item_store(items, found), found.store(in_order())
    assert same(mapped_store, plain)
    for part in (mapped_store.trigrams, mapped_store.tokens):
        assert not len(part.values) or part.values.dtype == np.uint16
    rows = np.array([7, 7, 0, 35])
    assert same(mapped_store.take(rows), plain.take(rows))
    assert same(mapped_store.span(7, 20), plain.take(np.arange(7, 20)))
    assert np.array_equal(mapped_store.sizes, plain.sizes)
    vectors = found.eval().forward_items(mapped_store.take(rows))
    assert vectors.equal(found.forward_items(plain.take(rows)))
    assert found.forward_items(mapped_store).equal(found.forward_items(plain))


def test_made_once_for_a_version_and_its_readers(items: Pinned, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    usual = stores._write

    def counted(folder: Path, parts: Iterator[Ragged]) -> None:
        made.append(folder.name.partition("-")[0])
        usual(folder, parts)

    monkeypatch.setattr(stores, "_write", counted)
    first = towers()
    item_store(items, first)
    item_store(items, first)
    item_store(items, towers(seed=3))  # other weights read the same features
    assert made == ["texts", "trigrams", "tokens"]
    item_store(items, towers(max_tokens=8))
    item_store(items, towers(trigram_buckets=1 << 9))
    assert made[3:] == ["tokens", "trigrams"]
    item_store(publish_items(TEXTS, [f"i{row:03d}" for row in range(len(TEXTS))]), first)
    assert made[5:] == ["texts", "trigrams", "tokens"]


def test_more_than_two_bytes_of_trigrams(items: Pinned) -> None:
    found = towers(bert=False, trigram_buckets=1 << 17)
    stored = item_store(items, found)
    assert stored.trigrams.values.dtype == np.int32
    assert same(stored, found.store(in_order()))


def numbers(count: int = 5) -> Iterator[Ragged]:
    for number in range(count):
        yield ragged([[number] * number, [], [7]])


def folders() -> list[str]:
    return sorted(path.name for path in (Path(os.environ["NIGHTSHELF_HOME"]) / "stores").iterdir())


def test_parts_are_written_one_after_another(lake: Path) -> None:
    parts = list(numbers())
    for found in (open_store("n", {}, numbers), _spilled(numbers())):
        assert len(found) == 15
        assert found.values.tolist() == [v for part in parts for v in part.values.tolist()]
        assert found.lengths.tolist() == [n for part in parts for n in part.lengths.tolist()]
        assert not found.values.flags.writeable
    assert len(open_store("none", {}, lambda: iter(()))) == 0
    assert [name.partition("-")[0] for name in folders() if name[0] != "."] == ["n", "none"]


def test_a_damaged_store_is_made_again(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = open_store("n", {}, numbers).values.tolist()
    (folder,) = (Path(os.environ["NIGHTSHELF_HOME"]) / "stores").glob("n-*")
    for damage in ("flip", "cut", "lose"):
        data = bytearray((folder / "values.bin").read_bytes())
        data[-1] ^= 1
        if damage == "lose":
            (folder / "values.bin").unlink()
        else:
            (folder / "values.bin").write_bytes(data if damage == "flip" else data[:-4])
        assert open_store("n", {}, numbers).values.tolist() == whole
    # told when found, and again under the lock; a file that is gone is no damage but nothing
    assert caplog.text.count("made again") == 4


RACE = """
import os
from jobs.towers.text_store import open_store
from models.text.ragged import ragged
def parts():
    print(os.getpid())
    yield ragged([[row] for row in range(1000)])
assert len(open_store("raced", {}, parts)) == 1000
"""


def test_processes_that_want_the_same_store_make_it_once(lake: Path) -> None:
    racing = [subprocess.Popen([sys.executable, "-c", RACE], stdout=subprocess.PIPE) for _ in range(3)]
    told = [process.communicate()[0] for process in racing]
    assert [process.returncode for process in racing] == [0, 0, 0]
    assert sum(bool(text) for text in told) == 1


KILLED = """
import os, signal
from jobs.towers.text_store import open_store
from models.text.ragged import ragged
def parts():
    yield ragged([[1, 2]])
    os.kill(os.getpid(), signal.SIGKILL)
open_store("n", {}, parts)
"""


def test_a_killed_build_leaves_nothing_to_see(lake: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert any(name.endswith(".new") for name in folders())
    assert all(name[0] == "." for name in folders())
    open_store("other", {}, numbers)
    assert not any(name.endswith(".new") for name in folders())  # swept by whoever builds next
    assert len(open_store("n", {}, numbers)) == 15


def test_a_failed_build_leaves_nothing_at_all(lake: Path) -> None:
    def failing() -> Iterator[Ragged]:
        yield from numbers()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        open_store("n", {}, failing)
    assert all(name.endswith(".lock") for name in folders())


def test_what_was_used_longest_ago_goes_first(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_STORES", "2")
    first = open_store("a", {}, numbers)
    open_store("b", {}, numbers)
    home = Path(os.environ["NIGHTSHELF_HOME"]) / "stores"
    for age, name in ((100, "a"), (50, "b")):
        (folder,) = home.glob(f"{name}-*")
        os.utime(folder, (1e9 - age, 1e9 - age))
    open_store("a", {}, numbers)  # used again
    open_store("c", {}, numbers)
    assert [name[0] for name in folders() if name[0] != "."] == ["a", "c"]
    assert first.values.sum() > 0  # open ones can be read on


def test_bytes_of_a_pair_by_hand(lake: Path) -> None:
    publish_learning()
    inputs = [pin(TABLES[name]) for name in ("pairs", "queries", "items")]
    dataset = read_dataset(*inputs)
    found = towers(bert=False)
    taught = dataset.examples(found, 0.0, None)
    said = bytes_per_pair(dataset, taught)
    pairs = list(zip(taught.pairs.query, taught.pairs.item, strict=True))
    texts = dataset.item_texts[:]
    text = sum(len(dataset.queries[q].encode()) + len(texts[i].encode()) for q, i in pairs)
    assert said["bytes_per_pair_text"] == pytest.approx(text / len(pairs))
    stored = found.store_queries(dataset.queries), found.store(texts)
    again = sum(stored[0].sizes[q] + stored[1].sizes[i] for q, i in pairs)
    assert said["bytes_per_pair_padded"] == pytest.approx(4 * again / len(pairs))
    once = 4 * stored[0].sizes.sum() + 2 * stored[1].sizes.sum()  # int32 in memory, uint16 on disk
    once += 8 * (len(dataset.queries) + 1 + len(texts) + 1) + 16 * len(pairs)
    assert said["bytes_per_pair"] == pytest.approx(once / len(pairs))

    deep = dataset.examples(towers(), 0.0, None)
    longest = deep.queries.tokens.lengths.max() + deep.items.tokens.lengths.max()
    assert bytes_per_pair(dataset, deep)["bytes_per_pair_padded"] == 16 * longest


def test_learning_reads_features_and_texts_by_the_same_rows(lake: Path) -> None:
    publish_learning()
    inputs = [pin(TABLES[name]) for name in ("pairs", "queries", "items")]
    dataset = read_dataset(*inputs)
    found = towers()
    taught = dataset.examples(found, 0.0, None)
    rows = np.array([5, 0, 5])
    assert same(taught.items.take(rows), found.store(taught.item_texts(rows)))
