"""The truth behind a simulated log, for tests: the visitor of each event, and the number of planted faults.

events.parquet has one row per event line of the day's searches, also of duplicates, in whatever log it arrives;
searches.parquet one per query record; propensities.json the chance that people examine each place (bots do not look);
counts.json the planted faults; tastes.parquet, where people have any, their homes with brand and size, and price band.
Of a search whose text is nobody else's, made_from is the query in whose place it was typed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake.arrow import table_of
from jobs.simulator.arrow_columns import Column, coded, taken, worded
from jobs.simulator.item_traits import TasteCatalogue
from jobs.simulator.scene import Scene
from models.simulator import fake_personal_data
from models.simulator.arrays import Flags, Ints
from models.simulator.day import DayPart
from models.simulator.events import ACTIONS
from models.simulator.taste import HOMES
from models.simulator.traffic import KINDS, is_bot
from models.simulator.ubi import DIALECTS, FAULTS, SearchTexts

_TEXT, _COUNT = pa.string(), pa.int32()
_KINDS, _ACTIONS = pa.array(KINDS), pa.array(ACTIONS)
_APPLICATIONS = pa.array([dialect.application for dialect in DIALECTS])
_PERSONAL = pa.array(fake_personal_data.KINDS)


class TruthWriter(ExitStack):
    """Writes the side files chunk by chunk; `finish` gives the counts."""

    def __init__(self, folder: Path, made: Scene) -> None:
        super().__init__()
        self._folder, self._made = folder, made
        self._items: Column = pa.array(made.shop.item_ids, _TEXT)
        self._counts: Counter[str] = Counter()
        self._files: dict[str, pq.ParquetWriter] = {}
        propensities = made.plan.model.propensities(made.plan.results)
        seen = {str(rank): float(share) for rank, share in enumerate(propensities, start=1)}
        (folder / "propensities.json").write_text(json.dumps(seen), "utf-8")

    def add(self, part: DayPart, words: SearchTexts) -> None:
        """Write a chunk's rows and count its faults."""
        done, bots = part.done, is_bot(part.kinds)
        self._write(
            "events.parquet",
            search_id=coded(pa.array(words.ids, _TEXT), done.searches),
            item_id=taken(self._items, part.items[done.searches, done.places]),
            position=pa.array(done.places + 1, _COUNT),
            action=coded(_ACTIONS, done.actions),
            application=coded(_APPLICATIONS, part.dialects[done.searches]),
            is_bot=pa.array(bots[done.searches]),
            kind=coded(_KINDS, part.kinds[done.searches]),
            is_duplicate=pa.array(done.duplicates),
            is_late=pa.array(done.late),
            delayed_days=pa.array(done.days, _COUNT),
        )
        self._add_searches(part, words, bots)
        self._count(part, bots)

    def _add_searches(self, part: DayPart, words: SearchTexts, bots: Flags) -> None:
        traffic, people, asked = self._made.traffic, self._made.people, self._made.typed
        texts = self._made.shop.texts[traffic.queries[part.numbers]]
        private, clients = np.full((2, len(part.numbers)), -1)
        places, mine = asked.among(part.numbers)
        private[places], clients[places] = asked.personal[mine], asked.clients[mine]
        self._write(
            "searches.parquet",
            search_id=pa.array(words.ids, _TEXT),
            query=pa.array(people.typed(part.numbers), _TEXT),
            client_id=pa.array(words.clients, _TEXT),
            session_id=pa.array(words.sessions, _TEXT),
            application=coded(_APPLICATIONS, part.dialects),
            is_bot=pa.array(bots),
            kind=coded(_KINDS, part.kinds),
            results=pa.array((part.items >= 0).sum(axis=1), _COUNT),
            delayed_days=pa.array(part.waits, _COUNT),
            skew_s=pa.array(people.skews[part.numbers]),
            target=taken(self._items, traffic.targets[traffic.clients[part.numbers]]),
            personal=coded(_PERSONAL, private),
            rare_clients=pa.array(clients, _COUNT, mask=clients < 1),
            made_from=worded(texts, np.arange(len(texts)), clients >= 0),
        )

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
        if len(part.browsed.items):
            count["browsed"] += len(part.browsed.items)
        count["malformed"] += len(part.broken[1])
        malformed, kinds = [f"malformed_{fault}" for fault in FAULTS], [f"{kind}_searches" for kind in KINDS]
        for names, numbers in ((malformed, part.broken[1]), (ACTIONS, done.actions), (kinds, part.kinds)):
            count.update(dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True)))

    def finish(self, of_log: Mapping[str, int]) -> dict[str, int]:
        """Write the counts, with those of the log, and return them."""
        count = self._counts
        count["personal"] = int((self._made.typed.personal >= 0).sum())
        count["rare"] = int((self._made.typed.clients > 0).sum())
        counts = {name: int(number) for name, number in sorted({**count, **of_log}.items())}
        (self._folder / "counts.json").write_text(json.dumps(counts, indent=1), "utf-8")
        self.close()
        return counts

    def _write(self, name: str, **columns: Column) -> None:
        table = table_of(columns)
        if name not in self._files:
            # without the Arrow schema WORDS read as plain texts
            how: dict[str, Any] = {"compression": "zstd", "write_statistics": False, "store_schema": False}
            self._files[name] = self.enter_context(pq.ParquetWriter(self._folder / name, table.schema, **how))
        self._files[name].write_table(table)


def write_tastes(folder: Path, made: Scene, tastes: TasteCatalogue) -> None:
    """Write the taste of every person of the day, a row per home category."""
    if made.shoppers is None:
        return
    people = ~is_bot(made.traffic.kinds)
    numbers, first = np.unique(made.traffic.clients[people], return_index=True)
    of_clients = made.shoppers.of(numbers)
    who, category = np.repeat(numbers, HOMES), of_clients.homes.ravel()
    names = {**tastes.names, -1: None}

    def named(hashes: Ints) -> Column:
        return pa.array([names[each] for each in hashes.tolist()], _TEXT)

    traits = tastes.traits
    columns = {
        "client_id": pa.array(np.repeat("c-" + made.people.clients[people][first], HOMES), _TEXT),
        "home": pa.array(np.tile(np.arange(1, HOMES + 1), len(numbers)), _COUNT),
        "category": named(traits.category_hashes[category]),
        "brand": named(made.shoppers.favourites(who, category, traits.brands, "brand")),
        "size": named(made.shoppers.favourites(who, category, traits.sizes, "size")),
        "price_band": pa.array(np.repeat(of_clients.bands, HOMES), _COUNT),
    }
    pq.write_table(table_of(columns), folder / "tastes.parquet", compression="zstd")
