"""The simulated log as Parquet: the same records in columns, straight from arrays, without a line of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.simulator.arrow_columns import WORDS, Column, coded, taken, texts, worded
from jobs.simulator.scene import Scene
from models.simulator.arrays import Flags, Floats, Ints
from models.simulator.browse import NAMES, PLACEMENTS, VIEW
from models.simulator.day import AppDelivery, DayPart, milliseconds
from models.simulator.events import CLICK
from models.simulator.ubi import BAD_TIMESTAMP, DIALECTS, NO_USER_QUERY, Dialect, SearchTexts, iso

LED, BROWSE = -2, -1  # events outside search: one that a search led to, and others
QUERY, EVENT = 0, 1  # what else a record is; from 2 on, the fault that it has
_TEXT = pa.string()
_REPEATED = ("application", "action_name", "query_id", "client_id", "session_id", "user_query")


def _schema(repeated: pa.DataType, is_placed: bool = False) -> pa.Schema:
    inside = [
        *(pa.field("session_id", repeated), pa.field("client_id", _TEXT)),
        pa.field("object", pa.struct([pa.field("object_id", _TEXT)])),
        pa.field("position", pa.struct([pa.field("ordinal", pa.int32())])),
        *([pa.field("placement", repeated)] if is_placed else []),
    ]
    others: dict[str, pa.DataType] = {
        "timestamp": _TEXT,
        "query_response_hit_ids": pa.list_(_TEXT),
        "event_attributes": pa.struct(inside),
    }
    return pa.schema(dict.fromkeys(_REPEATED, repeated) | others)


SCHEMA = _schema(_TEXT)  # as it is read, where people have no taste
# no two stamps are alike, and a reader has to look at every row: a dictionary and statistics would cost for nothing
_HOW: dict[str, Any] = {
    "compression": "zstd",
    "write_statistics": False,
    "store_schema": False,
    "use_dictionary": [
        *_REPEATED,
        "query_response_hit_ids.list.element",
        "event_attributes.session_id",
        "event_attributes.client_id",
        "event_attributes.object.object_id",
        "event_attributes.position.ordinal",
        "event_attributes.placement",
    ],
}


@dataclass(frozen=True)
class _RecordColumns:
    """The records of a share in columns, in order of delivery. kinds: QUERY, EVENT, or a fault; searches: rows of the
    part; actions: of the dialect's, after them a plain click and a view, -1 without; items: rows, -1 without; ordinals;
    placements: of PLACEMENTS, -1 without."""

    kinds: Ints
    searches: Ints
    actions: Ints
    items: Ints
    ordinals: Ints
    placements: Ints
    seconds: Floats


class ParquetFormat:
    """The layout `parquet`: a batch is an Arrow table of SCHEMA. Ordinals, action names and the place of the session
    are each application's own, as in its lines; the result list has one name."""

    suffix, is_text = "parquet", False

    def __init__(self, made: Scene) -> None:
        self._people, self._midnight_ms = made.people, made.midnight_ms
        self._odd_item = len(made.shop.item_ids)
        self._ids: Column = pa.array([*made.shop.item_ids, "1"], _TEXT)
        self._placed = made.shoppers is not None
        more = NAMES[:1] if self._placed else ()
        self._actions = [list(dict.fromkeys([*d.actions, "click", *more])) for d in DIALECTS]
        # as records are read, and as they are made, without a text for each row
        self._schema, self._coded = (_schema(kind, self._placed) for kind in (_TEXT, WORDS))

    def made(self, part: DayPart, chosen: AppDelivery, number: int, words: SearchTexts) -> pa.Table:
        """The records of a share, in order of delivery."""
        dialect, rows = DIALECTS[number], self._rows(part, chosen, number)
        asked, acted = rows.kinds == QUERY, (rows.kinds == EVENT) | (rows.kinds < QUERY)
        sent = words.sessions[rows.searches] != ""
        sessions = worded(words.sessions, rows.searches, acted & sent)
        nothing = worded(words.sessions, rows.searches, asked & False)
        outside, inside = (nothing, sessions) if dialect.session_in_attributes else (sessions, nothing)
        columns = [
            coded(pa.array([dialect.application]), np.zeros_like(rows.kinds)),
            coded(pa.array(self._actions[number], _TEXT), rows.actions),
            worded(words.ids, rows.searches, rows.kinds != BROWSE),
            worded(words.clients, rows.searches, asked | acted),
            outside,
            worded(self._people.typed(part.numbers), rows.searches, asked),
            self._stamps(dialect, rows),
            self._hits(part, rows.searches, asked),
            self._attributes(inside, rows),
        ]
        return pa.Table.from_arrays(columns, schema=self._coded)

    def merged(self, batches: Sequence[pa.Table], order: Ints) -> pa.Table:
        """The records of several batches, in another order."""
        whole = pa.concat_tables([batch.cast(self._schema) for batch in batches])
        return whole.take(order).cast(self._coded)

    @contextmanager
    def sink(self, path: Path) -> Iterator[Callable[[pa.Table], None]]:
        """A file to write to."""
        with pq.ParquetWriter(path, self._coded, **_HOW) as file:
            yield file.write_table

    @contextmanager
    def source(self, path: Path, number: int) -> Iterator[Callable[[int], pa.Table]]:
        """The records in a file, to be taken some at a time."""
        with pq.ParquetFile(path) as file:
            batches, held = file.iter_batches(), self._schema.empty_table()

            def take(records: int) -> pa.Table:
                nonlocal held
                while held.num_rows < records and (batch := next(batches, None)) is not None:
                    held = pa.concat_tables([held, pa.Table.from_batches([batch], self._schema)])
                first, held = held.slice(0, records), held.slice(records)
                return first

            yield take

    def _rows(self, part: DayPart, chosen: AppDelivery, number: int) -> _RecordColumns:
        done, asked, of_event = part.done, chosen.searches, chosen.events
        beside, names = part.browsed.take(chosen.browsed), self._actions[number]
        broken, fault = part.broken[0][chosen.broken], part.broken[1][chosen.broken]
        search, place = done.searches[of_event], done.places[of_event]
        clicked = np.where(fault == BAD_TIMESTAMP, names.index("click"), -1)
        on_item = np.where(fault == NO_USER_QUERY, -1, self._odd_item)
        none = np.full(len(asked), -1)
        spelled = (NAMES[VIEW], *DIALECTS[number].actions[CLICK:])
        browsed = np.array([names.index(each) for each in spelled] if self._placed else [], np.int64)[beside.actions]

        def laid(of_query: Ints, of_event: Ints, of_fault: Ints, of_browsed: Ints) -> Ints:
            return np.concatenate([of_query, of_event, of_fault, of_browsed])[chosen.order]

        seconds = [part.seconds[asked], done.stamps[of_event], part.seconds[broken], beside.stamps]
        return _RecordColumns(
            kinds=laid(none + 1 + QUERY, np.full(len(search), EVENT), fault, np.where(beside.led == 1, LED, BROWSE)),
            searches=laid(asked, search, broken, beside.searches),
            actions=laid(none, done.actions[of_event], clicked, browsed),
            items=laid(none, part.items[search, place], on_item, beside.items),
            ordinals=laid(none, place + DIALECTS[number].first_ordinal, np.ones_like(fault), beside.actions * 0),
            placements=laid(none, np.full(len(search), -1), np.full_like(fault, -1), beside.actions),
            seconds=np.concatenate(seconds)[chosen.order],
        )

    def _stamps(self, dialect: Dialect, rows: _RecordColumns) -> Column:
        at = milliseconds(rows.seconds, self._midnight_ms)
        made = pa.array(at).cast(_TEXT) if dialect.epoch else texts(iso(at))
        odd = rows.kinds == BAD_TIMESTAMP
        return pc.if_else(pa.array(odd), "yesterday", made) if odd.any() else made

    def _hits(self, part: DayPart, searches: Ints, asked: Flags) -> Column:
        listed = part.items[searches[asked]]
        lengths = np.zeros(len(asked), dtype=np.int32)
        lengths[asked] = (listed >= 0).sum(axis=1)
        ends = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
        values = taken(self._ids, listed[listed >= 0])
        return pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(~asked))

    def _attributes(self, sessions: Column, rows: _RecordColumns) -> Column:
        items = taken(self._ids, rows.items)
        beside = rows.kinds < QUERY
        ordinals = pa.array(rows.ordinals.astype(np.int32), mask=beside if beside.any() else None)
        parts = [
            sessions,
            pa.nulls(len(rows.items), _TEXT),
            pa.StructArray.from_arrays([items], names=["object_id"]),
            pa.StructArray.from_arrays([ordinals], names=["ordinal"]),
        ]
        if self._placed:
            names = list(dict.fromkeys(PLACEMENTS))
            of_action = np.array([*map(names.index, PLACEMENTS), -1])
            parts.append(coded(pa.array(names, _TEXT), of_action[rows.placements]))
        none = pa.array(rows.items < 0)
        return pa.StructArray.from_arrays(parts, fields=list(self._coded.field("event_attributes").type), mask=none)
