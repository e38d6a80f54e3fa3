"""A partition's figures: every count of its suite in one pass over its files, on this machine or on Spark.

Here batches are counted side by side while the next are read: memory is a few batches and 8 bytes a row for each key that must
be unique. Spark answers the same from SQL, for partitions that one machine should not read.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.lake.read import Pinned, read_table
from jobs.lake.streaming import record_batches
from jobs.quality.count_keys import answer, by_keys, collect, grouped
from jobs.quality.count_rows import View, tally
from jobs.quality.count_vectors import Moments
from jobs.quality.derived_columns import DERIVED, known_of
from jobs.quality.metrics import ROWS, UNIQUE, Count
from jobs.quality.references import RELATED, partner_keys, related
from jobs.quality.row_columns import Derived, Known

BATCH_ROWS = 65_536
Figures = dict[str, float]


@dataclass
class Partial:
    """What some of the rows add up to."""

    sums: dict[Count, Any] = field(default_factory=dict)
    keys: dict[Count, list[np.ndarray]] = field(default_factory=dict)
    moments: dict[Count, Moments] = field(default_factory=dict)

    def add(self, other: Partial) -> None:
        """Take in what other rows add up to."""
        for count, value in other.sums.items():
            self.sums[count] = self.sums.get(count, 0) + value
        for count, parts in other.keys.items():
            self.keys.setdefault(count, []).extend(parts)
        for count, moments in other.moments.items():
            self.moments[count] = moments.joined(self.moments.get(count))


@dataclass(frozen=True)
class Plan:
    """What is counted of a partition, and from which columns."""

    pinned: Pinned
    counts: tuple[Count, ...]
    seed: int = 0

    @property
    def derived(self) -> dict[str, Derived]:
        """The table's derived columns."""
        return DERIVED.get(self.pinned.partition.name, {})

    @property
    def known(self) -> Known:
        """What the partition says of itself."""
        return known_of(self.pinned)

    def reads(self, counts: Sequence[Count]) -> list[str]:
        """The columns of the files that these counts need."""
        named = [name for count in counts for name in count.columns]
        reads = [column for name in named for column in (self.derived[name].reads if name in self.derived else (name,))]
        return list(dict.fromkeys(reads))

    def needing(self, whole: bool) -> list[Count]:
        """The counts of columns that follow from all rows at once, or the others."""
        return [
            count
            for count in self.counts
            if whole == any(name in self.derived and self.derived[name].whole for name in count.columns)
        ]


def figures_here(plan: Plan) -> Figures:
    """Name -> figure, counted on this machine."""
    total = Partial()
    for part in _parts(plan, plan.needing(whole=False)):
        total.add(part)
    if whole := plan.needing(whole=True):
        rows = read_table(plan.pinned, columns=plan.reads(whole))
        total.add(_of_batch(plan, whole, rows))
    found = _figures(plan, total)
    doubled = tuple(count for count in plan.counts if count.kind in UNIQUE and found[count.name])
    if doubled and not plan.seed:  # two values may share a hash, but not two hashes
        again = figures_here(Plan(plan.pinned, doubled, seed=1))
        found |= {count.name: min(found[count.name], again[count.name]) for count in doubled}
    return found


def _parts(plan: Plan, counts: Sequence[Count]) -> Iterator[Partial]:
    """What each batch adds, in their order; one is read while others are counted, so that no file is left alone."""
    reads = plan.reads(counts)
    if not reads:  # nothing but the number of rows is asked for
        yield Partial({Count(ROWS): plan.pinned.manifest.rows})
        return
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Partial]] = deque()
        for batch in record_batches(plan.pinned, reads, BATCH_ROWS):
            if len(waiting) > workers:
                yield waiting.popleft().result()
            rows = pa.Table.from_batches([batch])
            waiting.append(pool.submit(_of_batch, plan, counts, rows))
        yield from (one.result() for one in waiting)


def _of_batch(plan: Plan, counts: Sequence[Count], rows: pa.Table) -> Partial:
    view = View(rows, plan.derived, plan.known)
    found = Partial()
    for count in counts:
        if count.kind == "vectors":
            found.moments[count] = Moments.of(rows[count.columns[0]])
        elif by_keys(count, plan.derived):
            found.keys[count] = [collect(count, view, plan.seed)]
        elif not grouped(count, plan.derived):
            found.sums[count] = tally(count, view)
    return found


def _figures(plan: Plan, total: Partial) -> Figures:
    found: Figures = {}
    for count in plan.counts:
        if count.kind == "vectors":
            moments = total.moments.get(count)
            found |= {f"{count.name} {name}": value for name, value in moments.figures().items()} if moments else {}
        elif count.kind in RELATED:
            theirs = partner_keys(plan.pinned, count, plan.seed)
            if theirs is not None:
                mine = np.concatenate(total.keys.get(count) or [np.zeros(0, np.uint64)])
                found[count.name] = related(count, mine, theirs)
        elif by_keys(count, plan.derived):
            found[count.name] = answer(count, total.keys.get(count, []), plan.derived)
        elif count.kind == "bins":
            found |= {f"{count.name} {n}": int(size) for n, size in enumerate(total.sums.get(count, ()))}
        else:
            found[count.name] = total.sums.get(count, 0)
    return averaged(plan.counts, found)


def averaged(counts: Sequence[Count], found: Figures) -> Figures:
    """The figures with sums turned into means where means are asked for; none where there is nothing to average."""
    for count in counts:
        if count.kind == "mean":
            given = found[ROWS] - found[f"null {count.columns[0]}"]
            total = found.pop(count.name)
            if given:
                found[count.name] = total / given
    return found
