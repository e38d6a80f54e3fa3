"""The task of embedding a shard, as a value that any process can receive; one worker's part of it; and the result.

A worker turns items into unit vectors; it reads ahead and writes behind.

Chunks to encode are dealt to the workers in turn, and so are batches to take over. Memory: the encoder and six chunks of
features and vectors (one being prepared, one waiting, one being encoded, three on their way to the file).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.embeddings.delta import Mask
from jobs.embeddings.encoder import Encoder, EncoderSource, PinnedName, pin_named
from jobs.embeddings.prefetch import StageClock, WriteBehind, read_ahead
from jobs.embeddings.read_shards import Embedded, shard_batches
from jobs.embeddings.sharding import of_shard
from jobs.embeddings.writer import ShardWriter
from jobs.lake.arrow import Strings
from jobs.lake.fault import fault_point
from jobs.platform.progress import Advance


@dataclass(frozen=True)
class PackedMask:
    """A boolean mask as bits: a million items take 125 KB on their way to another process."""

    bits: bytes
    count: int
    set_count: int

    @classmethod
    def of(cls, mask: Mask) -> PackedMask:
        """Pack a mask."""
        return cls(np.packbits(mask).tobytes(), len(mask), int(mask.sum()))

    def unpack(self) -> Mask:
        """Unpack it as booleans [count]."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.count).astype(np.bool_)


@dataclass(frozen=True)
class ShardTask:
    """Items to encode and vectors to take over, from pinned inputs, into the folder `uri`.

    lake, trials: their roots, for a process with another environment. to_encode: a mask over the shard's items;
    to_keep: a mask over the rows of the previous shard. Both follow the order of the files.
    """

    items: PinnedName
    encoder: EncoderSource
    previous: PinnedName | None
    uri: str
    lake: str
    trials: str
    shard: int
    shards: int
    storage: str
    chunk_items: int
    to_encode: PackedMask
    to_keep: PackedMask


@dataclass
class WorkerResult:
    """The files that one worker wrote, items that it encoded and took over, seconds by stage.

    tokens, padding: what the encoder computed. wall_s: from the first item read to the last vector written.
    loaded: how often the encoder was loaded for this task; 0 where the process already had it.
    """

    rank: int
    files: list[str] = field(default_factory=list)
    encoded: int = 0
    taken_over: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    padding: int = 0
    wall_s: float = 0.0
    process: str = ""
    loaded: int = 0

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> WorkerResult:
        """Read it back."""
        return cls(**json.loads(line))


def combined(results: list[WorkerResult]) -> WorkerResult:
    """All results as one: counts and stages are added up; the workers run side by side, so the longest wall counts."""
    seconds: Counter[str] = Counter()
    for result in results:
        seconds.update(result.seconds)
    return WorkerResult(
        rank=-1,
        files=[name for result in results for name in result.files],
        encoded=sum(result.encoded for result in results),
        taken_over=sum(result.taken_over for result in results),
        seconds=dict(seconds),
        tokens=sum(result.tokens for result in results),
        padding=sum(result.padding for result in results),
        wall_s=max((result.wall_s for result in results), default=0.0),
        loaded=sum(result.loaded for result in results),
    )


@dataclass(frozen=True)
class Worker:
    """This process among all that share a shard. stem: first part of the names of its files."""

    rank: int = 0
    size: int = 1
    stem: str = ""


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
        for item_ids, content_hashes, features in read_ahead(_prepared(task, encoder, worker, clock)):
            with clock("encode"):
                vectors = encoder.encode(features)
            write(Embedded(item_ids, content_hashes, vectors))
            fault_point("embeddings.encoded")
            tokens, padding = encoder.padding(features)
            result.tokens += tokens
            result.padding += padding
    with clock("write"):
        writer.close()


def _prepared(
    task: ShardTask, encoder: Encoder[Any], worker: Worker, clock: StageClock
) -> Iterator[tuple[Strings, Strings, Any]]:
    """Ids, content hashes and features of each chunk."""
    columns = tuple(dict.fromkeys(("item_id", *encoder.hash_columns, *encoder.columns)))
    batches = chunks_to_encode(task, columns, worker)
    while True:
        with clock("read"):
            batch = next(batches, None)
        if batch is None:
            return
        with clock("features"):
            chunk = batch.column("item_id"), encoder.content_hashes(batch), encoder.features(batch)
        yield chunk
