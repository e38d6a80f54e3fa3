"""The same counts on a cluster: Spark's executors run jobs.quality.count on one file each.

Sums of a file are one line. Hashes of keys are shuffled by their value, so that equal keys meet in one task, which counts
them as one machine would; figures of keys are the sum over tasks. No row of the table passes the JVM, but for columns that
follow from a whole ranking: those rows are shuffled by query.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jobs.lake.read import record_batches
from jobs.platform.spark import read_spark
from jobs.quality.count import (
    BATCH_ROWS,
    CountPlan,
    Figures,
    PartialCounts,
    confirmed,
    count_batch,
    named_figures,
    resolve_keys,
)
from jobs.quality.count_keys import grouped
from jobs.quality.count_vectors import VectorSums
from jobs.quality.group_columns import PARTIAL
from jobs.quality.metrics import ROWS, Metric
from jobs.quality.references import RELATED, partner_keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# number: of the metric; theirs: a key of the other table; sums: the counts of a file as one line
SHUFFLED = "number INT, theirs BOOLEAN, hash BIGINT, value BIGINT, rows BIGINT, sums STRING"
_TYPES: dict[str, pa.DataType] = {
    "number": pa.int32(),
    "theirs": pa.bool_(),
    "hash": pa.int64(),
    "value": pa.int64(),
    "rows": pa.int64(),
    "sums": pa.string(),
}
_SUMS = -1
Batches = Iterable[pa.RecordBatch]


def figures_spark(spark: SparkSession, plan: CountPlan) -> Figures:
    """Name -> figure, counted by Spark's executors."""
    roots = {name: os.environ[name] for name in ("NIGHTSHELF_LAKE", "NIGHTSHELF_TRIALS") if name in os.environ}
    names = [entry.name for entry in plan.pinned.entries() if entry.name.endswith(".parquet")]
    related = [str(number) for number, metric in enumerate(plan.metrics) if metric.kind in RELATED]
    tasks = [*names, *related]
    total = PartialCounts()
    if any(metric.columns for metric in plan.streamed()):
        frame = spark.createDataFrame([(task,) for task in tasks], "task STRING").repartition(len(tasks), "task")
        counted = frame.mapInArrow(lambda batches: _count_files(plan, roots, batches), SHUFFLED)
        lines = counted.repartition("hash").mapInArrow(lambda batches: _count_keys(plan, batches), "sums STRING")
        for row in lines.collect():
            total.add(_parse(plan, row["sums"]))
    total.sums.setdefault(Metric(ROWS), plan.pinned.manifest.rows)
    if plan.whole():
        total.add(_count_whole(spark, plan))
    figures = named_figures(plan, total)
    return figures | confirmed(plan, figures, lambda again: figures_spark(spark, again))


def _count_files(plan: CountPlan, roots: dict[str, str], batches: Batches) -> Batches:
    """On an executor: the sums of a file as one line, and the hashes of its keys; or the keys of another table."""
    os.environ |= roots
    for batch in batches:
        for task in map(str, batch.column(0).to_pylist()):
            if task.isdigit():
                keys = partner_keys(plan.pinned, plan.metrics[int(task)], plan.seed)
                yield from _hashes(int(task), np.zeros(0, np.uint64) if keys is None else keys, theirs=True)
            else:
                yield from _count_file(plan, task)


def _count_file(plan: CountPlan, name: str) -> Batches:
    pinned = plan.pinned
    files = [entry for entry in pinned.manifest.files if entry.name == name]
    metrics = plan.streamed()
    total = PartialCounts()
    alone = replace(pinned, manifest=replace(pinned.manifest, files=files))
    for batch in record_batches(alone, plan.columns(metrics), BATCH_ROWS):
        counts = count_batch(plan, metrics, pa.Table.from_batches([batch]))
        for metric, parts in counts.keys.items():
            for hashes in parts:
                yield from _hashes(plan.metrics.index(metric), hashes)
        total.add(replace(counts, keys={}))
    yield _shuffled({"number": [_SUMS], "hash": [zlib.crc32(name.encode())], "sums": [_line(plan, total)]})


def _hashes(number: int, hashes: np.ndarray, theirs: bool = False) -> Batches:
    """[N] hashes of keys or [R, 3] runs of rows, to be shuffled by the hash or the group."""
    for first in range(0, len(hashes), BATCH_ROWS):
        part = hashes[first : first + BATCH_ROWS].view(np.int64).reshape(-1, hashes.shape[1] if hashes.ndim > 1 else 1)
        columns = dict(zip(("hash", "value", "rows"), part.T, strict=False))
        yield _shuffled({"number": [number] * len(part), "theirs": [theirs] * len(part), **columns})


def _shuffled(columns: dict[str, Any]) -> pa.RecordBatch:
    """A batch of these columns; the others are null."""
    size = len(columns["number"])
    arrays = [pa.array(columns.get(name, [None] * size), kind) for name, kind in _TYPES.items()]
    return pa.RecordBatch.from_arrays(arrays, list(_TYPES))


def _count_keys(plan: CountPlan, batches: Batches) -> Batches:
    """On an executor: the figures of the keys that met in this task, and the lines of files as they are."""
    mine: dict[int, list[np.ndarray]] = defaultdict(list)
    theirs: dict[int, list[np.ndarray]] = defaultdict(list)
    for batch in batches:
        numbers = batch.column("number").to_numpy()
        for number in np.unique(numbers):
            rows = batch.filter(pa.array(numbers == number))
            if number == _SUMS:
                yield pa.RecordBatch.from_arrays([rows.column("sums")], ["sums"])
                continue
            runs = grouped(plan.metrics[number], plan.derived) is not None
            names = ("hash", "value", "rows") if runs else ("hash",)
            hashes = np.stack([_words(rows.column(name)) for name in names], axis=1)
            is_theirs = rows.column("theirs").to_numpy(zero_copy_only=False)
            theirs[int(number)].append(hashes[is_theirs, 0])
            mine[int(number)].append(hashes[~is_theirs] if runs else hashes[~is_theirs, 0])
    total = PartialCounts()
    for number, parts in mine.items():
        metric = plan.metrics[number]
        total.sums[metric] = resolve_keys(plan, metric, parts, np.unique(np.concatenate(theirs[number])))
    yield pa.RecordBatch.from_arrays([pa.array([_line(plan, total)])], ["sums"])


def _words(column: Any) -> np.ndarray:
    numbers: np.ndarray = column.fill_null(0).to_numpy().view(np.uint64)
    return numbers


def _count_whole(spark: SparkSession, plan: CountPlan) -> PartialCounts:
    """Metrics of columns that follow from a whole ranking: its rows are shuffled by query."""
    metrics = plan.whole()
    rows = read_spark(spark, plan.pinned).select(*plan.columns(metrics))
    (key,) = {plan.derived[name].whole for metric in metrics for name in metric.columns if name in plan.derived}
    arms = 0
    if "arm" in rows.columns:
        arms = rows.select("arm").dropna().where(~rows["arm"].isin(*PARTIAL)).distinct().count()

    def count(batches: Batches) -> Batches:
        if parts := list(batches):
            line = _line(plan, count_batch(plan, metrics, pa.Table.from_batches(parts), arms))
            yield pa.RecordBatch.from_arrays([pa.array([line])], ["sums"])

    total = PartialCounts()
    for row in rows.repartition(key).mapInArrow(count, "sums STRING").collect():
        total.add(_parse(plan, row["sums"]))
    return total


def _line(plan: CountPlan, counts: PartialCounts) -> str:
    """Sums of some rows as JSON, by the metrics' numbers."""
    number = plan.metrics.index
    sums = {number(metric): np.asarray(value).tolist() for metric, value in counts.sums.items()}
    vectors = {number(metric): asdict(value) for metric, value in counts.vectors.items()}
    return json.dumps({"sums": sums, "vectors": vectors}, default=np.ndarray.tolist)


def _parse(plan: CountPlan, line: str) -> PartialCounts:
    written = json.loads(line)
    sums = {plan.metrics[int(n)]: value for n, value in _arrays(written["sums"]).items()}
    vectors = {plan.metrics[int(n)]: VectorSums(**_arrays(fields)) for n, fields in written["vectors"].items()}
    return PartialCounts(sums, {}, vectors)


def _arrays(values: dict[str, Any]) -> dict[str, Any]:
    """Lists as arrays; numbers as they are."""
    return {name: np.array(value) if isinstance(value, list) else value for name, value in values.items()}
