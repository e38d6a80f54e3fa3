"""Judge trained vectors by the sessions that were held out: their last item, among the nearest of the one before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.lake.arrow import Rows, Strings, find, large, numbers, table_of
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from jobs.recommendations.item_encoder import COLUMNS, ItemSpace
from jobs.recommendations.judge_lists import DEPTH, MEASURES, HeldOut, held_out, measured
from models.ann.exact import Vectors, nearest
from models.evaluation.intervals import grouped_intervals
from models.evaluation.query_slices import named
from models.fusion.ranked_lists import Ranked
from models.recommendations.arms import CLASSES, classes_of, without_source

SPLITS = ("dev", "test")
THIN = 20  # clients below which an item is thin, as in item_neighbours
CHUNK_ITEMS = 65_536


def judge_vectors(
    out: Attempt, space: ItemSpace, items: Pinned, sessions: Pinned, judged: Pinned
) -> dict[str, dict[str, Any]]:
    """Write measures.parquet, a row per session; return split -> group -> measure -> (mean, low, high).

    Groups are classes of the source item, by its clients in these sessions.

    Raises:
        LookupError: a split has no session whose last given item lives.
    """
    rows = read_table(items, ["item_id", *COLUMNS]).sort_by("item_id")
    ids = large(rows.column("item_id").chunks)
    support, means, tables = supports(sessions, ids), {}, []
    for split in SPLITS:
        asked = held_out(judged, split, ids)
        if not len(asked.source):
            raise LookupError(
                f"{judged.partition}: 0 sessions of split {split} begin at an item of {items.partition}; expected some:"
                " hold out more days, or leave --holdout_sessions out"
            )
        values = measured(_lists(space, rows, asked), asked.target, len(ids))
        classes = np.array(CLASSES)[classes_of(support[asked.source], THIN)]
        means[split] = grouped_intervals(values, MEASURES, dict(named({"support": classes})))
        figures = dict(zip(MEASURES, values.T, strict=True))
        whole = {"query_id": asked.query_ids, "split": [split] * len(values), "support": classes.tolist()}
        tables.append(table_of({**whole, **figures}))
    pq.write_table(
        pa.concat_tables(tables), out.folder / "measures.parquet", compression="zstd", write_page_checksum=True
    )
    return means


def supports(sessions: Pinned, ids: Strings) -> Rows:
    """Clients [N] of each item in sessions; a session without a client is a voice of its own."""
    rows = read_table(sessions, ["client_id", "session_id", "item_id"])
    voice = pc.coalesce(rows.column("client_id"), rows.column("session_id"))
    voices = table_of({"item_id": rows.column("item_id"), "voice": voice}).group_by("item_id")
    counted = voices.aggregate([("voice", "count_distinct")])
    row = find(large(counted.column("item_id").chunks), ids)
    support = np.zeros(len(ids), np.int64)
    support[row[row >= 0]] = numbers(counted, "voice_count_distinct")[row >= 0]
    return support


def _lists(space: ItemSpace, rows: pa.Table, asked: HeldOut) -> Ranked:
    """The nearest items of each session's source, searched exactly: one chunk of vectors is in memory at a time."""
    source, place = np.unique(asked.source, return_inverse=True)
    scores, near = nearest(space.vectors(rows.take(pa.array(source, pa.int64()))), _chunks(space, rows), DEPTH + 1)
    lists = without_source(Ranked(near, scores), source)
    return Ranked(lists.items[place], lists.scores[place])


def _chunks(space: ItemSpace, rows: pa.Table) -> Iterator[Vectors]:
    for start in range(0, rows.num_rows, CHUNK_ITEMS):
        yield space.vectors(rows.slice(start, CHUNK_ITEMS))
