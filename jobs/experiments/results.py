"""What a study found: every trial's measures with intervals, what step 3 added, and slopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.experiments.apart import within
from jobs.experiments.flags import Value
from jobs.lake.arrow import numbers, strings
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from models.evaluation.intervals import Interval, over_seeds, ratio_span, resampled, slope_interval, span
from models.evaluation.query_slices import named

MEASURED = ("R@60", "RR@60", "R@10", "RR@10", "R@60 judged", "RR@60 judged")
SLICED = ("segment", "typo", "model_number", "length")
RATIO, DIFFERENCE = "star / in_batch", "star - in_batch"
RESAMPLES = 1_000
Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Figures = dict[str, tuple[Interval, Interval]]  # over queries and seeds; over seeds alone


@dataclass(frozen=True)
class Trial:
    """One setting as it went. made: stage -> (root, partition) of its measures, one per seed;
    shares: see Bench.shares."""

    number: int
    point: str
    setting: Mapping[str, Value]
    state: str
    objective: float
    error: str
    seconds: float
    made: Mapping[str, Sequence[tuple[str, str]]]
    roots: Sequence[str]
    shares: Mapping[str, float]

    @property
    def last(self) -> str:
        """The stage whose towers the trial is for."""
        return "star" if "star" in self.made else "in_batch"


@dataclass(frozen=True)
class Row:
    """One figure of one trial. stage: in_batch, star, or what step 3 added, as ratio and as difference."""

    trial: int
    point: str
    stage: str
    split: str
    slice: str
    measure: str
    queries: int
    seeds: int
    found: Interval
    of_seeds: Interval


@dataclass(frozen=True)
class Slope:
    """What a doubling of a flag adds to a measure, over the trials that differ in it alone."""

    flag: str
    stage: str
    split: str
    measure: str
    points: int
    found: Interval


class Outcome:
    """Figures of the trials that went well. Values are read per query, so that every figure is paired."""

    def __init__(self, folder: Path, trials: Sequence[Trial], splits: Sequence[str]) -> None:
        self.trials = [one for one in trials if one.made]
        self.splits = splits
        self.values: dict[tuple[int, str], Array] = {}
        slices: dict[str, NDArray[Any]] = {}
        for one in self.trials:
            for stage, places in one.made.items():
                tables = [_table(folder / root, partition) for root, partition in places]
                self.values[one.number, stage] = np.stack([_values(table) for table in tables])
                slices = slices or _slices(tables[0])
        self.split_of = slices.pop("split", np.zeros(0, np.str_))
        self.slices = dict(named(slices))

    def rows(self) -> Iterator[Row]:
        """Every figure of every trial, split and slice."""
        for one in self.trials:
            for split in self.splits:
                everything = np.ones(len(self.split_of), np.bool_)
                for name, chosen in {"all": everything, **self.slices}.items():
                    queries = np.flatnonzero(chosen & (self.split_of == split))
                    if len(queries):
                        yield from self._figures(one, split, name, queries)

    def slopes(self, flag: str) -> list[Slope]:
        """Per doubling of a numeric flag; trials alike in all other flags share a level of their own."""
        xs = [float(one.setting[flag]) for one in self.trials]
        if len(set(xs)) < 2 or min(xs) <= 0:
            return []
        groups = [tuple(value for name, value in one.setting.items() if name != flag) for one in self.trials]
        if len(set(zip(xs, groups, strict=True))) == len(set(groups)):
            return []  # no two trials differ in this flag alone
        found = []
        for stage in self._stages():
            stack = np.stack([self.values[one.number, stage] for one in self.trials])
            for split in self.splits:
                rows = self.split_of == split
                for place, measure in enumerate(MEASURED[:2]):
                    span = slope_interval(np.log2(xs), stack[:, :, rows, place], groups, resamples=RESAMPLES)
                    found.append(Slope(flag, stage, split, measure, len(xs), span))
        return found

    def _stages(self) -> list[str]:
        return [
            stage for stage in ("in_batch", "star") if self.trials and all(stage in one.made for one in self.trials)
        ]

    def _figures(self, one: Trial, split: str, name: str, queries: Rows) -> Iterator[Row]:
        """All figures of a slice from one set of draws."""
        stages = {stage: self.values[one.number, stage][:, queries] for stage in one.made}
        drawn = resampled(np.concatenate(list(stages.values()), axis=2), resamples=RESAMPLES)
        for place, measure in enumerate(MEASURED):
            figures: Figures = {}
            of_seeds = {stage: values[:, :, place].mean(axis=1) for stage, values in stages.items()}
            draws = dict(zip(stages, drawn[:, place :: len(MEASURED)].T, strict=True))
            for stage, values in of_seeds.items():
                figures[stage] = span(values.mean(), draws[stage]), over_seeds(values)
            if "star" in stages and of_seeds["in_batch"].all():
                figures |= _added(of_seeds["star"], of_seeds["in_batch"], draws["star"], draws["in_batch"])
            for stage, (found, seeds) in figures.items():
                counts = len(queries), len(of_seeds[one.last])
                yield Row(one.number, one.point, stage, split, name, measure, *counts, found, seeds)


def _added(after: Array, before: Array, drawn_after: Array, drawn_before: Array) -> Figures:
    """What step 3 added: ratio and difference of means by seed [S], and of those drawn [R]."""
    means = float(after.mean()), float(before.mean())
    return {
        RATIO: (ratio_span(*means, drawn_after, drawn_before), over_seeds(after / before)),
        DIFFERENCE: (span(means[0] - means[1], drawn_after - drawn_before), over_seeds(after - before)),
    }


def _table(root: Path, partition: str) -> pa.Table:
    """Measures of each query, in the order of their ids."""
    with within(root):
        path = pin(Partition.parse(partition)).path("measures.parquet")
    return pq.read_table(path).sort_by("query_id")


def _values(table: pa.Table) -> Array:
    return np.stack([numbers(table, name) for name in MEASURED], axis=1)


def _slices(table: pa.Table) -> dict[str, NDArray[Any]]:
    names = {"split": np.array(strings(table, "split"), np.str_)}
    for name in SLICED:
        kept = table.column(name).to_pylist()
        names[name] = np.array(kept)
    return names
