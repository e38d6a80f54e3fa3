"""One process's share of a shard: texts in, unit vectors out, reading ahead and writing behind.

Chunks of what is to be encoded are dealt to the processes in turn, and so are batches of what is taken over. Memory:
the towers, and chunks of texts, features and vectors: one being made, one waiting, one being encoded, three on their way
to the file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.embeddings.prefetch import Behind, Clock, ahead
from jobs.embeddings.read_shards import Embedded, shard_batches
from jobs.embeddings.shard_task import Done, Work, pinned
from jobs.embeddings.sharding import of_shard
from jobs.embeddings.writer import Parts
from jobs.lake.arrow import Strings, texts
from jobs.lake.fault import fault_point
from jobs.platform.progress import Advance
from models.text.text_store import TextStore
from models.towers.encode import encode_store, rectangles, token_budget
from models.towers.two_tower import TwoTower

COLUMNS = ("item_id", "content_hash", "text")


@dataclass(frozen=True)
class Share:
    """This process among all that share a shard. stem: what its files are called by, before their kind."""

    rank: int = 0
    size: int = 1
    stem: str = ""


@dataclass(frozen=True)
class _Chunk:
    item_ids: Strings
    content_hashes: Strings
    store: TextStore


def do(work: Work, towers: TwoTower, share: Share, advance: Advance) -> Done:
    """Encode and take over this process's share; returns what it did."""
    clock, done = Clock(), Done(share.rank)
    kept = Parts(work.uri, f"{share.stem}kept-{share.rank:05d}", work.settings.storage)
    made = Parts(work.uri, f"{share.stem}encoded-{share.rank:05d}", work.settings.storage)
    with clock("take over"):
        with Behind(kept.write) as writing:
            for rows in ahead(taken_over(work, share)):
                writing(rows)
                advance(len(rows.item_ids))
                fault_point("embeddings.taken_over")
        kept.close()
    started = time.perf_counter()
    _encode(work, towers, share, advance, made, clock, done)
    if share.rank == 0 and not work.n_items:  # a shard may have no item, but not no file
        none = pa.array([], pa.string())
        made.write(Embedded(none, none, np.zeros((0, towers.config.width), np.float32)))
        made.close()
    done.encoded, done.taken_over = made.rows, kept.rows
    done.files = kept.names + made.names
    done.seconds, done.wall_s = dict(clock.seconds), time.perf_counter() - started
    return done


def taken_over(work: Work, share: Share) -> Iterator[Embedded]:
    """Rows of the previous shard that stay, batch by batch."""
    if work.previous is None:
        return
    kept, start = work.mask("kept"), 0
    for number, rows in enumerate(shard_batches(pinned(work.previous))):
        mine = kept[start : start + len(rows.item_ids)]
        start += len(rows.item_ids)
        if number % share.size == share.rank and mine.any():
            held = pa.array(mine)
            yield Embedded(rows.item_ids.filter(held), rows.content_hashes.filter(held), rows.vectors[mine])


def to_encode(work: Work, share: Share) -> Iterator[pa.RecordBatch]:
    """Chunks of ids, content hashes and texts: this process's among all."""
    todo, start, number = work.mask("todo"), 0, 0
    rows = min(work.settings.chunk_items, max(1, -(-work.encoded // share.size)))
    waiting: list[pa.RecordBatch] = []
    for mine, _ in of_shard(pinned(work.items), COLUMNS, work.shard, work.shards):
        waiting.append(mine.filter(pa.array(todo[start : start + len(mine)])))
        start += len(mine)
        while sum(map(len, waiting)) >= rows:
            whole = _joined(waiting)
            waiting = [whole.slice(rows)]
            if number % share.size == share.rank:
                yield whole.slice(0, rows)
            number += 1
    if sum(map(len, waiting)) and number % share.size == share.rank:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Several as one; together they have rows."""
    (found,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return found


def _encode(
    work: Work, towers: TwoTower, share: Share, advance: Advance, made: Parts, clock: Clock, done: Done
) -> None:
    settings = work.settings
    budget = token_budget(towers.device, settings.token_budget)

    def write(rows: Embedded) -> None:
        with clock("write"):
            made.write(rows)
        advance(len(rows.item_ids))

    with Behind(write) as writing:
        for chunk in ahead(_chunks(work, towers, share, clock)):
            with clock("encode"):
                vectors = encode_store(towers.forward_items, chunk.store, budget, towers, settings.precision)
            writing(Embedded(chunk.item_ids, chunk.content_hashes, vectors))
            fault_point("embeddings.encoded")
            used, padding = rectangles(towers, chunk.store.sizes, budget)
            done.tokens += used
            done.padding += padding
    with clock("write"):
        made.close()


def _chunks(work: Work, towers: TwoTower, share: Share, clock: Clock) -> Iterator[_Chunk]:
    """Features of each chunk; the tokenizer lets others work beside it."""
    batches = to_encode(work, share)
    while True:
        with clock("read"):
            batch = next(batches, None)
            read = texts(batch.column("text")) if batch is not None else []
        if batch is None:
            return
        with clock("features"):
            store = towers.store(read)
        yield _Chunk(batch.column("item_id"), batch.column("content_hash"), store)
