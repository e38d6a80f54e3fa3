"""The engines that embed a shard: this process, the processes that torchrun started, or Spark's executors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from typing import Any

import pyarrow as pa
import torch

from jobs.embeddings.encoder import Encoder, EncoderSource
from jobs.embeddings.worker import ShardTask, Worker, WorkerResult, run_worker
from jobs.lake import storage as store
from jobs.platform.progress import Advance
from models.training.distributed import ProcessGroup

ENGINES = ("process", "spark")
# never read as data: an attempt that Spark gave up may still write here while another one is sealed
SCRATCH = "_spark"
_LINES = pa.schema([("line", pa.string())])


def by_processes(task: ShardTask, team: ProcessGroup, encoder: Encoder[Any], advance: Advance) -> list[WorkerResult]:
    """Each process of the team does its part; every process returns the results of all."""
    result = run_worker(task, encoder, Worker(team.rank, team.size), advance)
    result.process, result.loaded = _process_name(), 1
    if team.size == 1:
        return [result]
    import torch.distributed as dist

    results: list[Any] = [None] * team.size
    dist.all_gather_object(results, result)
    return results


def by_spark(task: ShardTask, tasks: int, advance: Advance) -> list[WorkerResult]:
    """Each Spark task does its part and answers with one line; no vector passes the JVM.

    A task writes files that no other attempt of it writes. Files of the attempts that Spark counted are moved into place,
    all others are removed.
    """
    from jobs.platform.spark import spark_session

    def run(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            for rank in batch.column(0).to_pylist():
                line = on_executor(task, int(rank or 0), tasks).to_json()
                yield pa.RecordBatch.from_pydict({"line": [line]}, schema=_LINES)

    with spark_session("embeddings") as spark:
        ranks = spark.range(0, tasks, 1, tasks)
        rows = ranks.mapInArrow(run, "line string").collect()
    results = sorted((WorkerResult.from_json(row["line"]) for row in rows), key=lambda result: result.rank)
    system, root = store.filesystem(task.uri)
    for result in results:
        names = [name.rpartition("/")[2] for name in result.files]
        for name, placed in zip(result.files, names, strict=True):
            system.move(f"{root}/{name}", f"{root}/{placed}")
        result.files = names
        advance(result.encoded + result.taken_over)
    store.delete_folder(f"{task.uri}/{SCRATCH}")
    return results


def on_executor(task: ShardTask, rank: int, tasks: int) -> WorkerResult:
    """One part of a shard in a Python worker of Spark; its encoder stays loaded for its next task."""
    from pyspark import TaskContext

    store.restrict_umask()
    os.environ["NIGHTSHELF_LAKE"] = task.lake
    os.environ["NIGHTSHELF_TRIALS"] = task.trials
    context = TaskContext.get()
    resources = context.resources() if context is not None else {}
    attempt = context.taskAttemptId() if context is not None else 0
    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda:{resources['gpu'].addresses[0]}" if "gpu" in resources else "cuda:0"
    loads = _encoder.cache_info().misses
    encoder = _encoder(task.encoder, device)
    result = run_worker(task, encoder, Worker(rank, tasks, f"{SCRATCH}/{attempt:06d}/"), unseen)
    result.process = _process_name()
    result.loaded = _encoder.cache_info().misses - loads
    return result


@cache
def _encoder(source: EncoderSource, device: str) -> Encoder[Any]:
    return source.load(device)


def _process_name() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


def unseen(n: int, note: str = "") -> None:
    """Progress that is not shown: the first process, or the driver, shows it."""
