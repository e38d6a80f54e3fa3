"""What a bundle is made from, and that all of it belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.embeddings.read_shards import catalogue
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from models.towers.space_id import items_space, space_id
from models.towers.two_tower import TwoTower


@dataclass(frozen=True)
class Sources:
    """Pinned inputs of jobs.index.build; qrels and previous hold at most one."""

    codes: list[Pinned]
    trained_index: Pinned
    embeddings: list[Pinned]
    towers: Pinned
    items: Pinned
    queries: Pinned
    qrels: list[Pinned]
    previous: list[Pinned]

    @property
    def all(self) -> list[Pinned]:
        """Every input, as the manifest names them."""
        return [
            *self.codes,
            self.trained_index,
            *self.embeddings,
            self.towers,
            self.items,
            self.queries,
            *self.qrels,
            *self.previous,
        ]

    def check(self) -> None:
        """Refuse codes, trained_index, vectors and items that are not of one making.

        Raises:
            RuntimeError: they are of different days, spaces or quantisers.
        """
        first = self.codes[0]
        if first.facts["quantiser_id"] != self.trained_index.facts["quantiser_id"]:
            raise RuntimeError(
                f"{first.partition}: coded by trained_index {first.facts['quantiser_id']},"
                f" {self.trained_index.partition} is {self.trained_index.facts['quantiser_id']}; run jobs.index.codes again"
            )
        wanted = self.items.manifest.content_sha256
        for one, found in ((first, first.facts["catalogue"]), (self.embeddings[0], catalogue(self.embeddings[0]))):
            if found != wanted:
                raise RuntimeError(
                    f"{one.partition}: of another catalogue ({found[:12]}) than {self.items.partition}"
                    f" ({wanted[:12]}); embed and code this catalogue first"
                )

    def before(self, quantiser_id: str) -> dict[str, float]:
        """Search parameters of the index in service, where it is of the same trained_index."""
        for one in self.previous:
            if one.facts.get("quantiser_id") == quantiser_id:
                return dict(one.facts["search"])
        return {}

    def changes(self) -> dict[str, Any]:
        """What the night did anew and what it took over, over all shards: for manifest and report."""
        names = ("encoded", "taken_over", "ended")
        embedded = {name: sum(one.facts.get(name, 0) for one in self.embeddings) for name in names}
        coded = {name: sum(one.facts[name] for one in self.codes) for name in ("coded", "taken_over", "ended")}
        trained_index = {
            name: self.trained_index.facts[name]
            for name in ("decision", "reasons", "trained_on", "then", "now", "quantiser_id")
        }
        return {"embedded": embedded, "coded": coded, "trained_index": trained_index}


def check_space(index: Partition, source: Sources, towers: TwoTower) -> None:
    """Refuse towers whose queries would meet items of another space.

    Raises:
        RuntimeError: the space ids do not fit.
    """
    found, embedded = space_id(towers), source.embeddings[0].partition.values["space"]
    coded = source.codes[0].facts["space_id"]
    # a refreshed query tower keeps the embeddings of the towers it came from
    if embedded not in (found, items_space(towers)) or coded != embedded or found != index.values["space"]:
        raise RuntimeError(
            f"{index}: {source.towers.partition} has space id {found},"
            f" {source.embeddings[0].partition} and codes of {coded} are of another or go to another;"
            " queries and items must meet in one space"
        )
