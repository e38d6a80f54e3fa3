"""One worker's part of a shard: items in, unit vectors out; it reads ahead and writes behind.

Chunks to encode are dealt to the workers in turn, and so are batches to take over. Memory: the encoder and six chunks of
features and vectors (one being prepared, one waiting, one being encoded, three on their way to the file).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.embeddings.encoder import Encoder, pin_named
from jobs.embeddings.prefetch import StageClock, WriteBehind, read_ahead
from jobs.embeddings.read_shards import Embedded, shard_batches
from jobs.embeddings.shard_task import ShardTask, WorkerResult
from jobs.embeddings.sharding import of_shard
from jobs.embeddings.writer import ShardWriter
from jobs.lake.arrow import Strings
from jobs.lake.fault import fault_point
from jobs.platform.progress import Advance


@dataclass(frozen=True)
class Worker:
    """This process among all that share a shard. stem: first part of the names of its files."""

    rank: int = 0
    size: int = 1
    stem: str = ""


@dataclass(frozen=True)
class _Chunk:
    item_ids: Strings
    content_hashes: Strings
    features: Any


def run_worker(task: ShardTask, encoder: Encoder[Any], worker: Worker, advance: Advance) -> WorkerResult:
    """Take over and encode this worker's part; returns what it did."""
    clock, result = StageClock(), WorkerResult(worker.rank)
    kept = ShardWriter(task.uri, f"{worker.stem}kept-{worker.rank:05d}", task.storage)
    encoded = ShardWriter(task.uri, f"{worker.stem}encoded-{worker.rank:05d}", task.storage)
    with clock("take over"):
        with WriteBehind(kept.write) as write:
            for rows in read_ahead(rows_to_keep(task, worker)):
                write(rows)
                advance(len(rows.item_ids))
                fault_point("embeddings.taken_over")
        kept.close()
    started = time.perf_counter()
    _encode(task, encoder, worker, advance, encoded, clock, result)
    if worker.rank == 0 and not task.to_encode.count:  # a shard may have no item, but must have a file
        none = pa.array([], pa.string())
        encoded.write(Embedded(none, none, np.zeros((0, encoder.width), np.float32)))
        encoded.close()
    result.encoded, result.taken_over = encoded.rows, kept.rows
    result.files = kept.names + encoded.names
    result.seconds, result.wall_s = dict(clock.seconds), time.perf_counter() - started
    return result


def rows_to_keep(task: ShardTask, worker: Worker) -> Iterator[Embedded]:
    """Rows of the previous shard whose vectors stay, batch by batch."""
    if task.previous is None:
        return
    mask, start = task.to_keep.unpack(), 0
    for number, rows in enumerate(shard_batches(pin_named(task.previous))):
        kept = mask[start : start + len(rows.item_ids)]
        start += len(rows.item_ids)
        if number % worker.size == worker.rank and kept.any():
            where = pa.array(kept)
            yield Embedded(rows.item_ids.filter(where), rows.content_hashes.filter(where), rows.vectors[kept])


def chunks_to_encode(task: ShardTask, columns: tuple[str, ...], worker: Worker) -> Iterator[pa.RecordBatch]:
    """This worker's chunks of the items to encode, with the columns that the encoder reads."""
    mask, start, number = task.to_encode.unpack(), 0, 0
    rows = min(task.chunk_items, max(1, -(-task.to_encode.set_count // worker.size)))
    waiting: list[pa.RecordBatch] = []
    for batch, _ in of_shard(pin_named(task.items), columns, task.shard, task.shards):
        waiting.append(batch.filter(pa.array(mask[start : start + len(batch)])))
        start += len(batch)
        while sum(map(len, waiting)) >= rows:
            whole = _joined(waiting)
            waiting = [whole.slice(rows)]
            if number % worker.size == worker.rank:
                yield whole.slice(0, rows)
            number += 1
    if sum(map(len, waiting)) and number % worker.size == worker.rank:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Several batches as one; together they have rows."""
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch


def _encode(
    task: ShardTask,
    encoder: Encoder[Any],
    worker: Worker,
    advance: Advance,
    writer: ShardWriter,
    clock: StageClock,
    result: WorkerResult,
) -> None:
    def write_rows(rows: Embedded) -> None:
        with clock("write"):
            writer.write(rows)
        advance(len(rows.item_ids))

    with WriteBehind(write_rows) as write:
        for chunk in read_ahead(_prepared(task, encoder, worker, clock)):
            with clock("encode"):
                vectors = encoder.encode(chunk.features)
            write(Embedded(chunk.item_ids, chunk.content_hashes, vectors))
            fault_point("embeddings.encoded")
            tokens, padding = encoder.padding(chunk.features)
            result.tokens += tokens
            result.padding += padding
    with clock("write"):
        writer.close()


def _prepared(task: ShardTask, encoder: Encoder[Any], worker: Worker, clock: StageClock) -> Iterator[_Chunk]:
    """Ids, content hashes and features of each chunk."""
    columns = tuple(dict.fromkeys(("item_id", *encoder.hash_columns, *encoder.columns)))
    batches = chunks_to_encode(task, columns, worker)
    while True:
        with clock("read"):
            batch = next(batches, None)
        if batch is None:
            return
        with clock("features"):
            chunk = _Chunk(batch.column("item_id"), encoder.content_hashes(batch), encoder.features(batch))
        yield chunk
