"""One shard by one process, by torchrun's, by Spark's tasks: the same ids and vectors; killed, it is done again alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.embeddings import engines
from jobs.lake import storage as store
from jobs.lake.fault import POINTS
from jobs.lake.partitions import ITEMS
from jobs.lake.read import pin
from tests.jobs.shop import Shop, publish_towers
from tests.jobs.towers.catalogue import day, embed, publish_items, shard, texts, vectors_of
from tests.killed import killed_at

MARKED = ["embeddings.taken_over", "embeddings.encoded:2", "embeddings.written:4", "embeddings.checked"]
ROOT = Path(__file__).resolve().parents[3]
FIRST = {f"i{row:03d}": text for row, text in enumerate(texts(200))}
SECOND = FIRST | {f"i{row:03d}": f"nowy {row}" for row in range(0, 200, 3)}


@pytest.fixture
def shop(lake: Path) -> Shop:
    """Two days, of which the first is embedded."""
    made = publish_towers()
    publish_items(day(1), FIRST)
    publish_items(day(2), SECOND)
    for name in ("0of2", "1of2"):
        embed(made, day(1), name)
    return made


def command(shop: Shop, *start: str, fault: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """The job of the second day's first shard, with the first day to take over from."""
    flags = {
        "items": ITEMS.at(ds=day(2)),
        "towers": shop.towers,
        "embeddings": shard(shop, day(2)),
        "previous": shard(shop, day(1)),
        "chunk_items": 8,
        **more,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    return subprocess.run(
        [sys.executable, *(start or ("-m", "jobs", "embeddings")), *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NIGHTSHELF_FAULT": fault, "NIGHTSHELF_SPARK_MASTER": "local[2]"},
    )


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, vector in expected.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("point", MARKED)
def test_a_killed_shard_is_done_again_alone(shop: Shop, point: str) -> None:
    assert {one.partition(":")[0] for one in MARKED} == {one for one in POINTS if "embeddings" in one}
    at, other = shard(shop, day(2)), shard(shop, day(1), "1of2")
    embed(shop, day(2), before=day(1), chunk_items=8)
    untouched, stands = pin(at).manifest, pin(other).manifest_sha256
    killed_at(point, lambda: embed(shop, day(2), before=day(1), chunk_items=8))
    assert pin(at).manifest.attempt == untouched.attempt, "the old version stays in place"
    embed(shop, day(2), before=day(1), chunk_items=8)
    assert pin(at).manifest.attempt != untouched.attempt
    assert pin(at).manifest.content_sha256 == untouched.content_sha256
    assert pin(other).manifest_sha256 == stands
    folders = [path.name for path in (store.local_path(at.uri) / "attempts").iterdir()]
    assert len(folders) == 2, "the killed attempt is swept"


@pytest.mark.slow
def test_torchruns_processes_share_a_shard(shop: Shop) -> None:
    start = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "jobs", "embeddings")
    embed(shop, day(2), before=day(1))
    expected = vectors_of(shard(shop, day(2)))
    done = command(shop, *start)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(told) == 1, "the first process alone answers"
    assert told[0]["processes"] == 2
    check_same(vectors_of(shard(shop, day(2))), expected)
    names = [entry.name for entry in pin(shard(shop, day(2))).entries()]
    assert {name.split("-")[1] for name in names if name.startswith("encoded")} == {"00000", "00001"}


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_others(shop: Shop) -> None:
    start = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "jobs", "embeddings")
    before = pin(shard(shop, day(1))).manifest_sha256
    done = command(shop, *start, fault="embeddings.encoded:2")
    assert done.returncode != 0
    with pytest.raises(LookupError):
        pin(shard(shop, day(2)))
    assert pin(shard(shop, day(1))).manifest_sha256 == before


@pytest.mark.spark
@pytest.mark.slow
def test_spark_tasks_share_a_shard_and_load_the_towers_once(shop: Shop) -> None:
    embed(shop, day(2), before=day(1))
    expected = vectors_of(shard(shop, day(2)))
    done = command(shop, engine="spark", tasks=4, chunk_items=3)
    assert done.returncode == 0, done.stderr[-3000:]
    made = pin(shard(shop, day(2)))
    check_same(vectors_of(shard(shop, day(2))), expected)
    assert made.facts["processes"] == 4
    # four tasks in two workers, of which each read the towers for its first task
    assert made.facts["encoders_loaded"] == made.facts["workers"] <= 2
    names = [entry.name for entry in made.manifest.files]
    assert not any(name.startswith("_") for name in names)
    folder = store.local_path(made.uri)
    assert not (folder / engines.SCRATCH).exists()
    assert {path.name for path in folder.glob("*.parquet")} == {name for name in names if "/" not in name}
    embed(shop, day(2), before=day(1), engine="process")
    assert pin(shard(shop, day(2))).facts["ids_sha256"] == made.facts["ids_sha256"]


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_what_failed_attempts_of_spark_tasks_wrote_is_not_published(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debris of an attempt that Spark gave up, before and after the sealing."""
    kept = engines.by_spark

    def with_debris(task: Any, tasks: int, advance: Any) -> Any:
        folder = Path(task.uri) / engines.SCRATCH / "999999"
        folder.mkdir(parents=True)
        (folder / "encoded-00000-00000.parquet").write_bytes(b"half a file")
        found = kept(task, tasks, advance)
        assert not folder.exists()
        folder.mkdir(parents=True)
        (folder / "encoded-00001-00000.parquet").write_bytes(b"it still wrote")
        return found

    monkeypatch.setattr("jobs.embeddings.embed_shard.by_spark", with_debris)
    told = embed(shop, day(2), before=day(1), engine="spark", tasks=2)
    made = pin(shard(shop, day(2)))
    assert told["items"] == made.manifest.rows == len(vectors_of(shard(shop, day(2))))
    assert not [entry.name for entry in made.manifest.files if entry.name.startswith("_")]
