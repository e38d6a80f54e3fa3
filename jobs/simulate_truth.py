"""What only the simulation knows, for tests: whose each event is, and how many faults were planted.

events.parquet has one row per event line, also of duplicates; searches.parquet one per query record;
propensities.json the chance that each place is examined; counts.json the planted faults.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.simulate_input import Shop
from models.cast import Cast
from models.day_log import ACTIONS
from models.simulation import Day
from models.ubi import DIALECTS, FAULTS


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns)


_TEXT, _COUNT, _FLAG = pa.string(), pa.int32(), pa.bool_()
_EVENTS = _schema(
    search_id=_TEXT,
    item_id=_TEXT,
    position=_COUNT,
    action=_TEXT,
    application=_TEXT,
    is_bot=_FLAG,
    is_duplicate=_FLAG,
    is_late=_FLAG,
)
_SEARCHES = _schema(
    search_id=_TEXT,
    query=_TEXT,
    client_id=_TEXT,
    session_id=_TEXT,
    application=_TEXT,
    is_bot=_FLAG,
    results=_COUNT,
)
_APPLICATIONS = np.array([dialect.application for dialect in DIALECTS], dtype=object)
_NAMES = np.array(ACTIONS, dtype=object)


class Truth:
    """Writes the side files chunk by chunk; `close` gives the counts."""

    def __init__(self, folder: Path, propensities: NDArray[np.float64]) -> None:
        self._folder = folder
        self._counts: Counter[str] = Counter({f"malformed_{fault}": 0 for fault in FAULTS})
        self._stack = ExitStack()
        self._events = self._file("events.parquet", _EVENTS)
        self._searches = self._file("searches.parquet", _SEARCHES)
        seen = {str(rank): float(share) for rank, share in enumerate(propensities, start=1)}
        (folder / "propensities.json").write_text(json.dumps(seen), "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, part: Day, people: Cast, shop: Shop) -> None:
        """Write a chunk's rows and count its faults."""
        done, said = part.done, people.words(part.numbers)
        applications = _APPLICATIONS[part.dialects]
        bots = part.bots[done.searches]
        self._events.write_table(
            pa.Table.from_pydict(
                {
                    "search_id": said.ids[done.searches],
                    "item_id": shop.item_ids[part.items[done.searches, done.places]],
                    "position": done.places + 1,
                    "action": _NAMES[done.actions],
                    "application": applications[done.searches],
                    "is_bot": bots,
                    "is_duplicate": done.duplicates,
                    "is_late": done.late,
                },
                schema=_EVENTS,
            )
        )
        self._searches.write_table(
            pa.Table.from_pydict(
                {
                    "search_id": said.ids,
                    "query": shop.texts[people.queries[part.numbers]],
                    "client_id": said.clients,
                    "session_id": said.sessions,
                    "application": applications,
                    "is_bot": part.bots,
                    "results": (part.items >= 0).sum(axis=1),
                },
                schema=_SEARCHES,
            )
        )
        self._count(part, bots)

    def _count(self, part: Day, bots: NDArray[np.bool_]) -> None:
        done, count = part.done, self._counts
        count["searches"] += len(part.numbers)
        count["bot_searches"] += int(part.bots.sum())
        count["events"] += len(done.searches)
        count["bot_events"] += int(bots.sum())
        count["duplicates"] += int(done.duplicates.sum())
        count["late"] += int(done.late.sum())
        count["malformed"] += len(part.broken[1])
        for number, fault in enumerate(FAULTS):
            count[f"malformed_{fault}"] += int((part.broken[1] == number).sum())
        for number, action in enumerate(ACTIONS):
            count[action] += int((done.actions == number).sum())

    def close(self) -> dict[str, int]:
        """Write the counts and return them."""
        counts = dict(sorted(self._counts.items()))
        (self._folder / "counts.json").write_text(json.dumps(counts, indent=1), "utf-8")
        self._stack.close()
        return counts

    def _file(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        writer = pq.ParquetWriter(self._folder / name, schema, compression="zstd")
        return self._stack.enter_context(writer)
