"""Reading shards: fp16 and fp32 files as fp32, in batches, in the order of ids; damage is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.embeddings.read_shards import batches, exact_rankings, read_vectors, shard_batches
from jobs.lake import storage as store
from jobs.lake.partitions import EMBEDDINGS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.quality import expect

SPACE, DIM = "7f3a5c1e9b2d4a60", 4


@dataclass(frozen=True)
class Args:
    """x  anything"""

    x: str = ""


def vectors(count: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def shard(number: int, dtype: type, ids: list[str], values: np.ndarray) -> Pinned:
    """Two files a shard, and row groups smaller than a batch."""
    at: Partition = EMBEDDINGS.at(ds="2026-01-31", space=SPACE, shard=f"{number}of2")
    half = len(ids) // 2
    with publish(at, Args()) as out:
        out.facts.update(dim=DIM, space_id=SPACE)
        for part, rows in enumerate((slice(0, half), slice(half, None))):
            flat = pa.array(values[rows].astype(dtype).ravel())
            table = pa.table(
                {
                    "item_id": ids[rows],
                    "content_hash": [f"h{one}" for one in ids[rows]],
                    "embedding": pa.FixedSizeListArray.from_arrays(flat, DIM),
                }
            )
            pq.write_table(table, out.folder / f"part-{part}.parquet", row_group_size=7)
        aside = out.folder / "tombstones"
        aside.mkdir()
        pq.write_table(pa.table({"item_id": ["gone"]}), aside / "ended.parquet")
    return pin(at)


@pytest.fixture(params=[np.float16, np.float32])
def both(lake: Path, request: pytest.FixtureRequest) -> list[Pinned]:
    ids = [f"i{(37 * row) % 101:03d}" for row in range(60)]
    values = vectors(60, 0)
    return [shard(0, request.param, ids[:40], values[:40]), shard(1, request.param, ids[40:], values[40:])]


def test_every_batch_is_small_whole_and_fp32(both: list[Pinned]) -> None:
    parts = list(shard_batches(both[0], 9))
    assert max(len(ids) for ids, _, _ in parts) <= 9
    assert {values.dtype for _, _, values in parts} == {np.dtype(np.float32)}
    ids = [name for names, _, _ in parts for name in names.to_pylist()]
    assert ids == [f"i{(37 * row) % 101:03d}" for row in range(40)], "the order of the files"
    hashes = [name for _, names, _ in parts for name in names.to_pylist()]
    assert hashes == [f"h{name}" for name in ids]
    found = np.concatenate([values for _, _, values in parts])
    np.testing.assert_allclose(found, vectors(60, 0)[:40], atol=1e-3)
    assert "gone" not in ids
    assert both[0].manifest.rows == 40
    assert [entry.role for entry in both[0].manifest.files] == ["data", "data", "tombstones"]


def test_all_shards_in_the_order_of_ids_and_searched_exactly(both: list[Pinned]) -> None:
    ids, found = read_vectors(both)
    assert ids == sorted(ids) and len(ids) == 60
    row = {f"i{(37 * row) % 101:03d}": row for row in range(60)}
    expected = vectors(60, 0)[[row[name] for name in ids]]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    asked = vectors(5, 1)
    ranked, names, equal = exact_rankings(both, asked, 3)
    assert names.to_pylist() == ids
    assert sorted(equal.tolist()) == list(range(60)), "no two are equal"
    assert np.array_equal(ranked.items, np.argsort(-(asked @ found.T), axis=1)[:, :3])
    assert sum(len(names) for names, _ in batches(both, 8)) == 60


def test_a_flipped_byte_is_found_before_its_file_is_read(both: list[Pinned]) -> None:
    path = store.local_path(both[0].uri) / "part-1.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    read = shard_batches(both[0])
    assert len(next(read).item_ids) == 20
    with pytest.raises(RuntimeError, match=r"part-1\.parquet .* is damaged|the file is damaged"):
        next(read)


def test_the_suite_reads_either(both: list[Pinned]) -> None:
    name = str(both[0].partition)
    assert expect.main(expect.Args(name))["verdicts"] == {name: "pass"}


def test_fp16_is_checked_here_however_large_for_spark_refuses_it(lake: Path) -> None:
    made = shard(0, np.float16, [f"i{row:02d}" for row in range(20)], vectors(20, 0))
    name = str(made.partition)
    assert expect.main(expect.Args(name, spark_rows=1))["verdicts"] == {name: "pass"}
