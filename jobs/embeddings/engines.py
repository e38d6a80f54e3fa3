"""Who does the work of a shard: this process, those that torchrun started, or Spark's executors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

import pyarrow as pa
import torch

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.shard_task import Done, Work, pinned
from jobs.embeddings.worker import Share, do
from jobs.lake import storage as store
from jobs.platform.progress import Advance
from models.towers.two_tower import TwoTower
from models.training.distributed import Team

ENGINES = ("process", "spark")
# what lies there is never read as data: an attempt that Spark gave up may still write while others seal
SCRATCH = "_spark"
_LINES = pa.schema([("line", pa.string())])


def by_processes(work: Work, team: Team, towers: TwoTower, advance: Advance) -> list[Done]:
    """Each process of the team does its share; the first one is told of all."""
    mine = do(work, towers, Share(team.rank, team.size), advance)
    mine.process, mine.loaded = _here(), 1
    return _gathered(team, mine)


def _gathered(team: Team, mine: Done) -> list[Done]:
    if team.size == 1:
        return [mine]
    import torch.distributed as dist

    lines: list[str | None] = [None] * team.size
    dist.all_gather_object(lines, mine.to_json())
    return [Done.from_json(line) for line in lines if line is not None]


def by_spark(work: Work, tasks: int, advance: Advance) -> list[Done]:
    """Each Spark task does its share and answers with one line; no vector passes the JVM.

    A task writes files that no other attempt of it writes. Those of the attempts that Spark counted are
    moved into place, all others are removed.
    """
    from jobs.platform.spark import spark_session

    def shares(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            for rank in batch.column(0).to_pylist():
                line = on_executor(work, int(rank or 0), tasks).to_json()
                yield pa.RecordBatch.from_pydict({"line": [line]}, schema=_LINES)

    with spark_session("embeddings") as spark:
        ranks = spark.range(0, tasks, 1, tasks)
        rows = ranks.mapInArrow(shares, "line string").collect()
    found = sorted((Done.from_json(row["line"]) for row in rows), key=lambda one: one.rank)
    system, root = store.filesystem(work.uri)
    for one in found:
        names = [name.rpartition("/")[2] for name in one.files]
        for name, placed in zip(one.files, names, strict=True):
            system.move(f"{root}/{name}", f"{root}/{placed}")
        one.files = names
        advance(one.encoded + one.taken_over)
    store.delete_folder(f"{work.uri}/{SCRATCH}")
    return found


def on_executor(work: Work, rank: int, tasks: int) -> Done:
    """One share in a Python worker of Spark, whose towers stay loaded for its next task."""
    from pyspark import TaskContext

    os.environ["NIGHTSHELF_LAKE"] = work.lake
    os.environ["NIGHTSHELF_TRIALS"] = work.trials
    context = TaskContext.get()
    given = context.resources() if context is not None else {}
    attempt = context.taskAttemptId() if context is not None else 0
    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda:{given['gpu'].addresses[0]}" if "gpu" in given else "cuda:0"
    loads = _towers.cache_info().misses
    towers = _towers(work.towers, device)
    done = do(work, towers, Share(rank, tasks, f"{SCRATCH}/{attempt:06d}/"), unseen)
    done.process = _here()
    done.loaded = _towers.cache_info().misses - loads
    return done


@cache
def _towers(name: tuple[str, str], device: str) -> TwoTower:
    return load_towers(pinned(name)).to(device).eval()


def _here() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


def unseen(n: int, note: str = "") -> None:
    """Progress that nobody watches: the first process, or the driver, shows it."""
