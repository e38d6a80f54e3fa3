"""The truth behind a simulated log, for tests: the visitor of each event, and the number of planted faults.

events.parquet has one row per event line of the day's searches, also of duplicates, in whatever log it arrives;
searches.parquet one per query record; propensities.json the chance that people examine each place (bots do not look);
counts.json the planted faults. Of a search whose text is nobody else's, made_from is the query in whose place it was typed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.simulator.arrow_columns import WORDS, Column, coded, taken, worded
from jobs.simulator.scene import Scene
from models.simulator import fake_personal_data
from models.simulator.day import DayPart
from models.simulator.events import ACTIONS
from models.simulator.traffic import KINDS, is_bot
from models.simulator.ubi import DIALECTS, FAULTS, SearchTexts

Flags = NDArray[np.bool_]
_TEXT, _COUNT, _FLAG = pa.string(), pa.int32(), pa.bool_()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns)


_EVENTS = _schema(
    search_id=WORDS,
    item_id=_TEXT,
    position=_COUNT,
    action=WORDS,
    application=WORDS,
    is_bot=_FLAG,
    kind=WORDS,
    is_duplicate=_FLAG,
    is_late=_FLAG,
    delayed_days=_COUNT,
)
_SEARCHES = _schema(
    search_id=_TEXT,
    query=_TEXT,
    client_id=_TEXT,
    session_id=_TEXT,
    application=WORDS,
    is_bot=_FLAG,
    kind=WORDS,
    results=_COUNT,
    delayed_days=_COUNT,
    skew_s=pa.float64(),
    target=_TEXT,
    personal=WORDS,
    rare_clients=_COUNT,
    made_from=WORDS,
)
_KINDS, _ACTIONS = pa.array(KINDS), pa.array(ACTIONS)
_APPLICATIONS = pa.array([dialect.application for dialect in DIALECTS])
_PERSONAL = pa.array(fake_personal_data.KINDS)


class TruthWriter:
    """Writes the side files chunk by chunk; `close` gives the counts."""

    def __init__(self, folder: Path, made: Scene) -> None:
        self._folder, self._made = folder, made
        self._items: Column = pa.array(made.shop.item_ids, _TEXT)
        self._counts: Counter[str] = Counter(dict.fromkeys((f"malformed_{fault}" for fault in FAULTS), 0))
        self._stack = ExitStack()
        self._events = self._file("events.parquet", _EVENTS)
        self._searches = self._file("searches.parquet", _SEARCHES)
        propensities = made.plan.model.propensities(made.plan.results)
        seen = {str(rank): float(share) for rank, share in enumerate(propensities, start=1)}
        (folder / "propensities.json").write_text(json.dumps(seen), "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, part: DayPart, words: SearchTexts) -> None:
        """Write a chunk's rows and count its faults."""
        done, bots = part.done, is_bot(part.kinds)
        columns = [
            coded(pa.array(words.ids, _TEXT), done.searches),
            taken(self._items, part.items[done.searches, done.places]),
            pa.array(done.places + 1, _COUNT),
            coded(_ACTIONS, done.actions),
            coded(_APPLICATIONS, part.dialects[done.searches]),
            pa.array(bots[done.searches]),
            coded(_KINDS, part.kinds[done.searches]),
            pa.array(done.duplicates),
            pa.array(done.late),
            pa.array(done.days, _COUNT),
        ]
        self._events.write_table(pa.Table.from_arrays(columns, schema=_EVENTS))
        self._searches.write_table(self._of_searches(part, words, bots))
        self._count(part, bots)

    def _of_searches(self, part: DayPart, words: SearchTexts, bots: Flags) -> pa.Table:
        traffic, people, asked = self._made.traffic, self._made.people, self._made.typed
        texts = self._made.shop.texts[traffic.queries[part.numbers]]
        private, clients = np.full((2, len(part.numbers)), -1)
        places, mine = asked.among(part.numbers)
        private[places], clients[places] = asked.personal[mine], asked.clients[mine]
        columns = [
            pa.array(words.ids, _TEXT),
            pa.array(people.typed(part.numbers), _TEXT),
            pa.array(words.clients, _TEXT),
            pa.array(words.sessions, _TEXT),
            coded(_APPLICATIONS, part.dialects),
            pa.array(bots),
            coded(_KINDS, part.kinds),
            pa.array((part.items >= 0).sum(axis=1), _COUNT),
            pa.array(part.waits, _COUNT),
            pa.array(people.skews[part.numbers]),
            taken(self._items, traffic.targets[traffic.clients[part.numbers]]),
            coded(_PERSONAL, private),
            pa.array(clients, _COUNT, mask=clients < 1),
            worded(texts, np.arange(len(texts)), clients >= 0),
        ]
        return pa.Table.from_arrays(columns, schema=_SEARCHES)

    def _count(self, part: DayPart, bots: Flags) -> None:
        done, count = part.done, self._counts
        count["searches"] += len(part.numbers)
        count["bot_searches"] += int(bots.sum())
        count["delayed_searches"] += int((part.waits > 0).sum())
        count["events"] += len(done.searches)
        count["bot_events"] += int(bots[done.searches].sum())
        count["duplicates"] += int((done.duplicates & ~done.again).sum())
        count["redelivered"] += int(done.again.sum())
        count["delayed_events"] += int(((done.days > 0) & ~done.again).sum())
        count["late"] += int(done.late.sum())
        count["malformed"] += len(part.broken[1])
        for number, fault in enumerate(FAULTS):
            count[f"malformed_{fault}"] += int((part.broken[1] == number).sum())
        for number, action in enumerate(ACTIONS):
            count[action] += int((done.actions == number).sum())
        for number, kind in enumerate(KINDS):
            count[f"{kind}_searches"] += int((part.kinds == number).sum())

    def close(self, of_log: Mapping[str, int]) -> dict[str, int]:
        """Write the counts, with those of the log, and return them."""
        count = self._counts
        count["personal"] = int((self._made.typed.personal >= 0).sum())
        count["rare"] = int((self._made.typed.clients > 0).sum())
        counts = {name: int(number) for name, number in sorted({**count, **of_log}.items())}
        (self._folder / "counts.json").write_text(json.dumps(counts, indent=1), "utf-8")
        self._stack.close()
        return counts

    def _file(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        # without the Arrow schema WORDS read as plain texts
        writer = pq.ParquetWriter(
            self._folder / name, schema, compression="zstd", write_statistics=False, store_schema=False
        )
        return self._stack.enter_context(writer)
