"""Our own side of `make bench ROOM=index`, and all sides by name."""

from __future__ import annotations

from typing import cast

from models import index as ours
from tests.benchmarks._ann_peers import (
    Autofaiss,
    Faiss,
    Hnswlib,
    Point,
    Scann,
    Side,
    Usearch,
    Vectors,
)


class Nightshelf(Faiss):
    """Ours: the family that the catalogue's size and the tuner choose, tuned on real queries for a recall a
    point above the target, since it is judged on others. Choosing counts as building."""

    def __init__(self, target: str) -> None:
        self.target = float(target or 0.96)
        self.points = [{}]

    def build(self, items: Vectors, tune: Vectors) -> None:
        factory = ours.factory_for(*items.shape)
        self.index = ours.build(items, factory)
        exact = ours.exact_search(ours.chunked(items), tune, 100).items
        found = ours.tune(self.index, tune, exact, self.target)
        self.points = [{f"{factory} nprobe": found.nprobe}]

    def at(self, point: Point) -> None:
        """Stay as it was tuned."""


KINDS = {"nightshelf": Nightshelf, "faiss": Faiss, "autofaiss": Autofaiss, "hnswlib": Hnswlib,
         "usearch": Usearch, "scann": Scann}  # fmt: skip


def side(name: str) -> Side:
    """The side of this name: its kind, and its setting, e.g. `hnswlib 16` or `faiss IVF1024,SQ8`."""
    kind, _, setting = name.partition(" ")
    return cast(Side, KINDS[kind](setting))
