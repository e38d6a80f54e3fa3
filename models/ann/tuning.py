"""Choice of an index: families are built on a sample and measured; the cheapest that reaches the recall target wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import ge

import faiss

from models.ann.codes import filled
from models.ann.exact import Vectors
from models.ann.families import families
from models.ann.operating_points import Exam, OperatingPoint, cheapest_settings, lowest_k_factor, measure_point
from models.ann.train import centroids_of, train

log = logging.getLogger(__name__)
LISTS_TIMES = (4.0, 8.0, 2.0)  # numbers of lists to try, in units of sqrt(N)
SHOWN = 6  # points of a family's curve that are timed
# within this factor of the shortest time, the smaller index wins: timings on a shared machine differ by as much
_ALIKE = 1.1


@dataclass(frozen=True)
class Budget:
    """Limits of a choice. p99_ms and bytes_per_item of 0: no limit."""

    recall: float = 0.95
    p99_ms: float = 0.0
    bytes_per_item: float = 0.0

    def holds(self, point: OperatingPoint) -> bool:
        """True for a point within the limits."""
        return (
            point.recall >= self.recall
            and (not self.p99_ms or point.p99_ms <= self.p99_ms)
            and (not self.bytes_per_item or point.bytes_per_item <= self.bytes_per_item)
        )


@dataclass(frozen=True)
class ChosenIndex:
    """The chosen point, all measured points, and the reason. lists_times: number of lists in units of sqrt(N)."""

    point: OperatingPoint
    points: list[OperatingPoint]
    lists_times: float
    reason: str


def pareto(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """The Pareto front by recall, CPU time of a query, and bytes of an item."""

    def gains(point: OperatingPoint) -> tuple[float, float, float]:
        return point.recall, -point.cpu_ms, -point.bytes_per_item

    def dominates(point: OperatingPoint, other: OperatingPoint) -> bool:
        return gains(point) != gains(other) and all(map(ge, gains(point), gains(other)))

    return [point for point in points if not any(dominates(other, point) for other in points)]


def tune(
    sample: Vectors,
    exam: Exam,
    budget: Budget,
    seed: int = 0,
    factory: str = "auto",
    slowdown: float = 1.0,
    report: Callable[[str], None] = log.info,
) -> ChosenIndex:
    """Build and measure families on a sample [S, D] and choose one.

    exam: real queries with exact search in this sample. factory: a single one, or auto. slowdown: factor between a query's time
    in the whole catalogue and in the sample; times are multiplied by it. report: called with a line for each family.

    Raises:
        ValueError: unknown factory string, or fewer vectors than its lists.
    """
    search = _FamilySearch(sample, exam, budget, seed, slowdown, report)
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
    # the best number of lists is the same for every code: the code does not decide which vectors are visited
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


class _FamilySearch:
    """The families that were tried, with their points."""

    def __init__(
        self, sample: Vectors, exam: Exam, budget: Budget, seed: int, slowdown: float, report: Callable[[str], None]
    ) -> None:
        self.sample, self.exam, self.budget, self.seed = sample, exam, budget, seed
        self.slowdown, self.report = slowdown, report
        self.points: list[OperatingPoint] = []
        self.times: dict[str, float] = {}  # by factory string: number of lists, in units of sqrt(N)
        self.centroids: dict[float, Vectors] = {}  # by the same number, trained once

    def try_family(self, factory: str, times: float) -> None:
        """Build a family, and measure points up to the cheapest one that reaches the target."""
        started = time.process_time()
        trained, index = build(self.sample, factory, self.seed, self.centroids.get(times))
        took = time.process_time() - started
        self.times[factory] = times
        if (centroids := centroids_of(trained)) is not None:
            self.centroids[times] = centroids
        target = self.budget.recall
        tried = cheapest_settings(index, self.exam, target)
        curve = [settings for settings, _ in tried[:-1]][-SHOWN + 1 :]
        curve.append(lowest_k_factor(index, self.exam, target, tried[-1][0]))
        for settings in curve:
            point = measure_point(index, factory, self.exam, settings, took)
            p50, p99 = point.p50_ms * self.slowdown, point.p99_ms * self.slowdown
            self.points.append(replace(point, cpu_ms=point.cpu_ms * self.slowdown, p50_ms=p50, p99_ms=p99))
        last = self.points[-1]
        self.report(
            f"{factory}: recall {last.recall:.4f} at {last.settings}, {last.cpu_ms:.3f} ms of CPU,"
            f" {last.bytes_per_item:.0f} bytes an item, built in {took:.1f} s"
        )

    def best(self) -> OperatingPoint:
        """The cheapest point within the budget; if there is none, the one of the best recall."""
        within = [point for point in self.points if self.budget.holds(point)]
        if not within:
            return max(self.points, key=lambda point: point.recall)
        limit = _ALIKE * min(point.cpu_ms for point in within)
        alike = [point for point in within if point.cpu_ms <= limit]
        return min(alike, key=lambda point: (point.bytes_per_item, point.cpu_ms))

    def choice(self) -> ChosenIndex:
        """The best point, and whether it is within the budget."""
        point, budget = self.best(), self.budget
        wanted = f"recall {budget.recall}"
        if budget.p99_ms:
            wanted += f", p99 {budget.p99_ms} ms"
        if budget.bytes_per_item:
            wanted += f", {budget.bytes_per_item:.0f} bytes an item"
        if budget.holds(point):
            reason = f"least CPU time of a query among points that hold {wanted}"
        else:
            reason = f"NOTHING holds {wanted}; this has the best recall"
        return ChosenIndex(point, self.points, self.times[point.factory], reason)
