"""ROOM=neighbours: neighbours of a large catalogue on two cores: time, CPU seconds, peak memory, and a job that was killed.

python -m tests.benchmarks.neighbours --items 1000000 --dim 128 --killed on

Vectors lie in clusters; six items of ten have sessions, and pairs with 20 items of their cluster each.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.lake.partitions import CO_OCCURRENCES, EMBEDDINGS, ITEM_NEIGHBOURS, ITEMS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from tests.benchmarks._next_item_lake import DS

Rows = NDArray[np.int64]
SPACE = "0123456789abcdef"
CHUNK, OTHERS, CLUSTER, TOPS = 65_536, 20, 50, 20
WITH_SESSIONS = 0.6
LISTS = ITEM_NEIGHBOURS.at(ds=DS, method="hybrid")


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def main() -> None:
    """Make the tables, run the command, and again with a kill in between."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--search", choices=["ivf", "exact"], default="ivf")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--killed", choices=["on", "off"], default="on")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("NIGHTSHELF_HOME")) as folder:
        os.environ |= {"NIGHTSHELF_LAKE": f"{folder}/lake", "NIGHTSHELF_HOME": f"{folder}/var"}
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
        _shop(args.items, args.dim)
        straight = _run(args.search)
        made = pin(LISTS)
        figures: dict[str, Any] = {**straight, "coverage": made.facts["coverage"], **made.facts["content"]}
        if args.killed == "on":
            before = made.manifest.content_sha256
            blocks = -(-args.items // 8_192)
            killed = _run(args.search, f"item_neighbours.block:{max(1, blocks // 2)}")
            rest = _run(args.search)
            figures["killed_at_s"], figures["resumed_s"] = killed["wall_s"], rest["wall_s"]
            figures["equal_bytes"] = pin(LISTS).manifest.content_sha256 == before and killed["code"] == -signal.SIGKILL
        line = {
            "name": "neighbours of every item",
            "items": args.items,
            "dim": args.dim,
            "threads": args.threads,
            **figures,
        }
        sys.stdout.write(json.dumps(line) + "\n")


def _run(search: str, fault: str = "") -> dict[str, Any]:
    """Run the command; wall and CPU seconds, and the peak of its memory."""
    shard = EMBEDDINGS.at(ds=DS, space=SPACE, shard="0of1")
    flags = {"items": ITEMS.at(ds=DS), "co_occurrences": CO_OCCURRENCES.at(ds=DS), "content": shard, "search": search}
    words = [f"--{name}={value}" for name, value in {**flags, "item_neighbours": LISTS}.items()]
    start, used = time.monotonic(), os.times()
    job = subprocess.Popen(
        [sys.executable, "-m", "jobs", "item_neighbours", *words],
        env={**os.environ, **({"NIGHTSHELF_FAULT": fault} if fault else {})},
        stdout=subprocess.DEVNULL,
    )
    peak = 0.0
    while job.poll() is None:
        peak = max(peak, _peak_mib(job.pid))
        time.sleep(0.5)
    if job.returncode and not fault:
        raise RuntimeError(f"item_neighbours: exit code {job.returncode}")
    now = os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    wall = round(time.monotonic() - start, 1)
    return {"wall_s": wall, "cpu_s": round(cpu, 1), "peak_mib": round(peak), "code": job.returncode}


def _peak_mib(pid: int) -> float:
    # not getrusage: its peak is handed on from the process that started this one
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except FileNotFoundError:
        return 0.0
    return int(status.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in status else 0.0


def _shop(items: int, dim: int) -> None:
    """Publish items, their vectors and pairs."""
    rng = np.random.default_rng(0)
    clusters = max(1, items // CLUSTER)
    support = np.where(rng.random(items) < WITH_SESSIONS, np.minimum(rng.zipf(1.3, items), 20_000), 0)
    _publish(ITEMS.at(ds=DS), (_items(rows, clusters) for rows in _chunks(items)))
    centres = rng.standard_normal((clusters, dim)).astype(np.float32)
    shard = EMBEDDINGS.at(ds=DS, space=SPACE, shard="0of1")
    _publish(shard, (_vectors(rows, centres) for rows in _chunks(items)), space_id=SPACE, dim=dim)
    _publish(CO_OCCURRENCES.at(ds=DS), (_pairs(rows, clusters, support) for rows in _chunks(items)))


def _chunks(items: int) -> Iterator[Rows]:
    return (np.arange(start, min(items, start + CHUNK)) for start in range(0, items, CHUNK))


def _names(rows: Rows) -> list[str]:
    return [f"i{row:08d}" for row in rows.tolist()]


def _items(rows: Rows, clusters: int) -> pa.Table:
    names, nothing = _names(rows), pa.nulls(len(rows), pa.string())
    return pa.table(
        {
            "item_id": names,
            "title": names,
            "category": [f"top{row % clusters % TOPS} > kind{row % clusters}" for row in rows.tolist()],
            "categories": pa.nulls(len(rows), pa.list_(pa.string())),
            "brand": nothing,
            "attributes": pa.array([[] for _ in names], pa.map_(pa.string(), pa.string())),
            "price": np.ones(len(rows)),
            "currency": nothing,
            "group_id": nothing,
            "text": names,
            "content_hash": names,
        }
    )


def _vectors(rows: Rows, centres: NDArray[np.float32]) -> pa.Table:
    noise = np.random.default_rng([1, int(rows[0])]).standard_normal((len(rows), centres.shape[1]))
    vectors = centres[rows % len(centres)] + noise
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(unit.reshape(-1)), centres.shape[1])
    return pa.table({"item_id": _names(rows), "content_hash": _names(rows), "embedding": lists})


def _pairs(rows: Rows, clusters: int, support: Rows) -> pa.Table:
    rng = np.random.default_rng([2, int(rows[0])])
    known = rows[support[rows] > 0]
    per_cluster = len(support) // clusters
    other = known[:, None] % clusters + clusters * rng.integers(0, per_cluster, (len(known), OTHERS))
    first = np.repeat(known, OTHERS)
    keys = np.unique(first * len(support) + other.ravel())
    first, second = keys // len(support), keys % len(support)
    kept = (first != second) & (support[second] > 0)
    first, second = first[kept], second[kept]
    voices = 1 + (np.minimum(support[first], support[second]) * rng.random(len(first)) / 4).astype(np.int32)
    weight = (voices * rng.random(len(first))).astype(np.float32)
    return pa.table(
        {
            "item_id": _names(first),
            "other_id": _names(second),
            "voices": voices,
            "support": support[first].astype(np.int32),
            "other_support": support[second].astype(np.int32),
            "followed_by": weight,
            "preceded_by": weight[::-1].copy(),
            "together": voices / np.float32(2),
        }
    )


def _publish(partition: Partition, parts: Iterator[pa.Table], **facts: object) -> None:
    inputs = [] if partition.name == "items" else [pin(ITEMS.at(ds=DS))]
    with publish(partition, Args(partition), inputs) as out:
        rows = 0
        for number, part in enumerate(parts):
            out.write_table(part, f"part-{number:05d}.parquet")
            rows += part.num_rows
        out.facts.update(facts)
        out.count("rows", rows, rows, {})


if __name__ == "__main__":
    main()
