"""The log of a simulated day: what its applications deliver today, what they hold back, what days before held back.

A record that is late by days is kept in the truth of its own day, in `<application>.delayed_<days>.*`, in order of
delivery; the day that is so much later mixes the file into its own log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.simulator.scene import Scene
from models.simulator.arrays import Ints
from models.simulator.day import SEARCHES_AT_ONCE, AppDelivery, DayPart, share
from models.simulator.delivery import MAX_DAYS
from models.simulator.ubi import DIALECTS, SearchTexts

T = TypeVar("T")


class LogFormat(Protocol[T]):
    """A format of records; T is a batch of them."""

    suffix: str
    is_text: bool  # only a line of text can have the first TEXT_FAULTS

    def made(self, part: DayPart, chosen: AppDelivery, number: int, words: SearchTexts) -> T:
        """The records of a share, in order of delivery."""

    def merged(self, batches: Sequence[T], order: Ints) -> T:
        """The records of several batches, in another order."""

    def sink(self, path: Path) -> AbstractContextManager[Callable[[T], None]]:
        """A file to write batches to."""

    def source(self, path: Path, number: int) -> AbstractContextManager[Callable[[int], T]]:
        """A file to take records from, the next n at a time."""


@dataclass(frozen=True)
class _Arriving(Generic[T]):
    """Records of one application that an earlier day held back for this one; total: how many."""

    number: int
    total: int
    take: Callable[[int], T]


class LogWriter(ExitStack, Generic[T]):
    """Writes a day's log part by part; `counts` says what came from where."""

    def __init__(self, layout: LogFormat[T], log: Path, truth: Path, made: Scene, before: Sequence[Pinned]) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._layout, self._truth, self._written = layout, truth, 0
        self._parts = -(-len(made.traffic.queries) // SEARCHES_AT_ONCE)
        self._logs = [self._sink(log, dialect.application) for dialect in DIALECTS]
        self._held: dict[tuple[int, int], Callable[[T], None]] = {}
        self._arriving = [held for pinned in before for held in self._open(pinned, made.plan.ds)]

    def add(self, part: DayPart, words: SearchTexts) -> None:
        """Write what is delivered today of a part, between it what days before held back, and keep back the rest."""
        waiting = bool(part.done.days.any() or part.waits.any())
        for number in range(len(DIALECTS)):
            self._write(part, number, words)
            for days in range(1, MAX_DAYS + 1) if waiting else ():
                self._hold(part, number, days, words)
        self._written += 1

    def _write(self, part: DayPart, number: int, words: SearchTexts) -> None:
        today = share(part, number, 0)
        batches, when = [self._layout.made(part, today, number, words)], [today.when]
        for late in self._arriving:
            records = self._due(late.total) if late.number == number else 0
            if records:
                batches.append(late.take(records))
                when.append(np.linspace(part.seconds[0], part.seconds[-1], records))
        whole = np.concatenate(when)
        if len(batches) > 1:
            order = np.argsort(whole, kind="stable")
            batches = [self._layout.merged(batches, order)]
        if len(whole):
            self._logs[number](batches[0])

    def _due(self, total: int) -> int:
        """The records of a file that belong to this part: they arrive evenly over the day."""
        done = self._written
        return total * (done + 1) // self._parts - total * done // self._parts

    def _hold(self, part: DayPart, number: int, days: int, words: SearchTexts) -> None:
        held = share(part, number, days)
        if not len(held.order):
            return
        name = DIALECTS[number].application
        if (number, days) not in self._held:
            self._held[number, days] = self._sink(self._truth, f"{name}.delayed_{days}")
        self._held[number, days](self._layout.made(part, held, number, words))
        self.counts[f"held_searches_{name}_{days}"] += len(held.searches)
        self.counts[f"held_events_{name}_{days}"] += len(held.events)

    def _sink(self, folder: Path, name: str) -> Callable[[T], None]:
        return self.enter_context(self._layout.sink(folder / f"{name}.{self._layout.suffix}"))

    def _open(self, before: Pinned, ds: str) -> list[_Arriving[T]]:
        days = days_after(before.partition, ds)
        arriving = []
        for number, dialect in enumerate(DIALECTS):
            name = f"{dialect.application}.delayed_{days}"
            counts = [
                int(before.facts.get(f"held_{what}_{dialect.application}_{days}", 0)) for what in ("searches", "events")
            ]
            if not sum(counts):
                continue
            if not before.has(f"{name}.{self._layout.suffix}"):
                raise ValueError(
                    f"{before.partition}: holds {name} in another layout, expected {self._layout.suffix}; simulate "
                    f"both days with one --layout"
                )
            path = before.path(f"{name}.{self._layout.suffix}")
            take = self.enter_context(self._layout.source(path, number))
            arriving.append(_Arriving(number, sum(counts), take))
            self.counts["arrived_searches"] += counts[0]
            self.counts["arrived_events"] += counts[1]
        return arriving


def days_after(before: Partition, ds: str) -> int:
    """The days from another day's truth to `ds`.

    Raises:
        ValueError: more than MAX_DAYS, for which nothing is held back, or less than one.
    """
    days = (date.fromisoformat(ds) - date.fromisoformat(before.ds)).days
    if before.name != "simulated_truth" or not 1 <= days <= MAX_DAYS:
        raise ValueError(f"{before} holds back nothing for {ds}: expected truth of 1 to {MAX_DAYS} days before")
    return days
