"""Our own side of `make bench ROOM=index`, and all sides by name."""

from __future__ import annotations

import time
from typing import cast

from models.ann.exact import nearest, pieces
from models.ann.operating_points import Exam
from models.ann.search import ask
from models.ann.tuning import Budget, build, tune
from tests.benchmarks._ann_peers import Autofaiss, Faiss, Hnswlib, Point, Rows, Scann, Side, Usearch, Vectors

# of recall: the choice is made on some queries and judged on others
MARGIN = 0.005


class Nightshelf(Faiss):
    """Ours: the tuner's choice for the target; the setting is the target. The choice is made once for a
    space and kept, so its time stands apart. Points are the settings that it passed on its way."""

    def __init__(self, target: str) -> None:
        self.budget = Budget(float(target or 0.95) + MARGIN)

    def build(self, items: Vectors, tune_queries: Vectors) -> None:
        started = time.process_time()
        exact = nearest(tune_queries, pieces(items), 100)[1]
        chosen = tune(items, Exam(tune_queries, exact), self.budget)
        self.choice_cpu_s = time.process_time() - started
        self.settings = {
            f"{one.factory} {one.settings}": one.settings
            for one in chosen.points
            if one.factory == chosen.point.factory
        }
        self.index = build(items, chosen.point.factory)[1]
        self.points = [{name: 0} for name in self.settings]

    def at(self, point: Point) -> None:
        self.asked_with = self.settings[next(iter(point))]

    def search(self, queries: Vectors, k: int) -> Rows:
        return ask(self.index, queries, k, self.asked_with).items


KINDS = {
    "nightshelf": Nightshelf,
    "faiss": Faiss,
    "autofaiss": Autofaiss,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "scann": Scann,
}


def side(name: str) -> Side:
    """The side of this name: its kind, and its setting, e.g. `hnswlib 16` or `faiss IVF1024,SQ8`."""
    kind, _, setting = name.partition(" ")
    return cast(Side, KINDS[kind](setting))
