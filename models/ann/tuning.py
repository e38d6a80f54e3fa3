"""Choosing an index: families are built over a sample and measured; the cheapest that holds the target wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.codes import filled
from models.ann.families import families
from models.ann.operating_points import Exam, Point, least, least_k_factor, measured
from models.ann.train import centroids_of, train

log = logging.getLogger(__name__)
Vectors = NDArray[np.float32]
LISTS_TIMES = (4.0, 8.0, 2.0)  # lists, in units of sqrt(N); the first is tried with every family
SHOWN = 6  # points of a family's curve that are timed too
# within this of the least time, the lighter index wins: timings on a shared machine differ by as much
_ALIKE = 1.1


@dataclass(frozen=True)
class Budget:
    """What a choice must hold. p99_ms and bytes_per_item of 0: no bound."""

    recall: float = 0.95
    p99_ms: float = 0.0
    bytes_per_item: float = 0.0

    def holds(self, point: Point, target: float) -> bool:
        """Whether a point is within it; target: the recall wanted."""
        return (
            point.recall >= target
            and (not self.p99_ms or point.p99_ms <= self.p99_ms)
            and (not self.bytes_per_item or point.bytes_per_item <= self.bytes_per_item)
        )


@dataclass(frozen=True)
class Chosen:
    """The choice, all points that were measured, and why. lists_times: lists in units of sqrt(N)."""

    point: Point
    points: list[Point]
    lists_times: float
    reason: str

    @property
    def front(self) -> list[Point]:
        """The points that no other one betters in recall, CPU time and memory at once."""
        return pareto(self.points)


def pareto(points: Sequence[Point]) -> list[Point]:
    """Points that no other one betters: recall, CPU time of a query, bytes of an item."""

    def betters(one: Point, other: Point) -> bool:
        pairs = [(one.recall, other.recall), (-one.cpu_ms, -other.cpu_ms), (-one.bytes_per_item, -other.bytes_per_item)]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [one for one in points if not any(betters(other, one) for other in points)]


def tune(
    sample: Vectors,
    exam: Exam,
    budget: Budget,
    seed: int = 0,
    factory: str = "auto",
    slowdown: float = 1.0,
    tell: Callable[[str], None] = log.info,
) -> Chosen:
    """Build and measure families over a sample [S, D] and choose.

    exam: real queries, and exact search in this very sample. factory: one alone, or auto. slowdown: how
    much longer a query takes in the whole catalogue; latencies are told times that. tell hears of each family.

    Raises:
        ValueError: unknown factory string, or fewer vectors than its lists.
    """
    search = _Search(sample, exam, budget, seed, slowdown, tell)
    if factory != "auto":
        search.try_family(factory, 0.0)
        return search.choice()
    items, dim = sample.shape
    names = families(items, dim)
    if len(names) == 1:
        search.try_family(names[0], LISTS_TIMES[0])
        return search.choice()
    for times in LISTS_TIMES:
        search.try_family(families(items, dim, times)[0], times)
    # lists that suit one code suit the others: which vectors are looked at does not follow from the code
    best = search.times[search.best().factory]
    for name in families(items, dim, best)[1:]:
        search.try_family(name, best)
    return search.choice()


def build(
    sample: Vectors, factory: str, seed: int = 0, centroids: Vectors | None = None
) -> tuple[faiss.Index, faiss.Index]:
    """(trained and empty, filled with the sample) index."""
    trained = train(sample, factory, seed, centroids)
    return trained, filled(trained, factory, sample)[0]


class _Search:
    """What was tried so far."""

    def __init__(
        self, sample: Vectors, exam: Exam, budget: Budget, seed: int, slowdown: float, tell: Callable[[str], None]
    ) -> None:
        self.sample, self.exam, self.budget, self.seed = sample, exam, budget, seed
        self.slowdown, self.tell = slowdown, tell
        self.points: list[Point] = []
        self.times: dict[str, float] = {}  # of each factory string: its lists, in units of sqrt(N)
        self.centroids: dict[float, Vectors] = {}  # by the same, learnt once

    def try_family(self, factory: str, times: float) -> None:
        """Build it, and measure along its curve up to the cheapest point that holds the target."""
        started = time.process_time()
        trained, index = build(self.sample, factory, self.seed, self.centroids.get(times))
        took = time.process_time() - started
        self.times[factory] = times
        if (found := centroids_of(trained)) is not None:
            self.centroids[times] = found
        target = self.budget.recall
        tried = least(index, self.exam, target)
        curve = [settings for settings, _ in tried[:-1]][-SHOWN + 1 :]
        curve.append(least_k_factor(index, self.exam, target, tried[-1][0]))
        for settings in curve:
            point = measured(index, factory, self.exam, settings, took)
            p50, p99 = point.p50_ms * self.slowdown, point.p99_ms * self.slowdown
            self.points.append(replace(point, cpu_ms=point.cpu_ms * self.slowdown, p50_ms=p50, p99_ms=p99))
        last = self.points[-1]
        self.tell(
            f"{factory}: recall {last.recall:.4f} at {last.settings}, {last.cpu_ms:.3f} ms of CPU,"
            f" {last.bytes_per_item:.0f} bytes an item, built in {took:.1f} s"
        )

    def best(self) -> Point:
        """The cheapest point within the budget; failing that the one of the best recall."""
        holding = [one for one in self.points if self.budget.holds(one, self.budget.recall)]
        if not holding:
            return max(self.points, key=lambda one: one.recall)
        limit = _ALIKE * min(one.cpu_ms for one in holding)
        alike = [one for one in holding if one.cpu_ms <= limit]
        return min(alike, key=lambda one: (one.bytes_per_item, one.cpu_ms))

    def choice(self) -> Chosen:
        """The best point, and whether it is within the budget."""
        point, budget = self.best(), self.budget
        wanted = f"recall {budget.recall}"
        if budget.p99_ms:
            wanted += f", p99 {budget.p99_ms} ms"
        if budget.bytes_per_item:
            wanted += f", {budget.bytes_per_item:.0f} bytes an item"
        if budget.holds(point, budget.recall):
            reason = f"least CPU time of a query among points that hold {wanted}"
        else:
            reason = f"NOTHING holds {wanted}; this has the best recall"
        return Chosen(point, self.points, self.times[point.factory], reason)


def as_rows(points: Sequence[Point]) -> list[dict[str, object]]:
    """Points as JSON."""
    return [asdict(point) for point in points]
