"""The figures of a study: measures of every trial with intervals, the change that step 3 made, slopes per doubling."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from jobs.experiments.search_space import ITEM_STAGES, TOWER_STAGES
from jobs.experiments.trial_commands import variable
from jobs.lake.arrow import numbers, strings
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from models.evaluation.intervals import Interval, over_seeds, ratio_span, resampled, slope_interval, span
from models.evaluation.query_slices import named

SHARES = ("unmoved_frac", "false_frac", "filled_frac")
RATIO, DIFFERENCE = "star / in_batch", "star - in_batch"
RESAMPLES = 1_000
Array = NDArray[np.float64]


class Kind(NamedTuple):
    """What a study trains. inputs: its tables; commands: of each stage; measures: of each query, the headline's two first;
    slices: columns by which queries are grouped."""

    inputs: tuple[str, ...]
    commands: Mapping[str, str]
    measures: tuple[str, ...]
    slices: tuple[str, ...]

    @property
    def headline(self) -> tuple[str, ...]:
        """Measures that the page and the terminal show."""
        return self.measures[:2]


TOWERS = Kind(
    ("pairs", "queries", "items", "qrels"),
    TOWER_STAGES,
    ("R@60", "RR@60", "R@10", "RR@10", "R@60 judged", "RR@60 judged"),
    ("segment", "typo", "model_number", "length"),
)
ITEM_VECTORS = Kind(
    ("items", "session_items", "holdout_sessions"), ITEM_STAGES, ("RR@25", "Success@25", "Success@10"), ("support",)
)


def kind_of(stages: str) -> Kind:
    """The kind of a study with these stages."""
    return ITEM_VECTORS if stages in ITEM_STAGES else TOWERS


@dataclass(frozen=True)
class Figure:
    """A measure of a trial. stage: in_batch, star, the change from one to the other as ratio and as difference, or a method.

    low, high: 95% interval over queries and seeds; seeds_low, seeds_high: over seeds alone, infinite for one seed.
    """

    trial: int
    point: str
    stage: str
    split: str
    slice: str
    measure: str
    queries: int
    seeds: int
    value: float
    low: float
    high: float
    seeds_low: float
    seeds_high: float


@dataclass(frozen=True)
class Slope:
    """The change of a measure when a flag doubles, over the trials that differ in this flag alone."""

    flag: str
    stage: str
    split: str
    measure: str
    trials: int
    per_doubling: Interval


def made_of(trial: FrozenTrial) -> dict[str, list[tuple[str, str]]]:
    """stage -> (root, judged partition) for each seed; empty where the trial failed."""
    made: dict[str, list[tuple[str, str]]] = json.loads(trial.user_attrs["made"])
    return made


class StudyFigures:
    """Figures of the trials that succeeded, from values per query, so that every comparison is paired."""

    def __init__(self, folder: Path, trials: Sequence[FrozenTrial], splits: Sequence[str], kind: Kind = TOWERS) -> None:
        self.trials, self.splits, self.kind = trials, splits, kind
        self.values: dict[tuple[int, str], Array] = {}  # (trial, stage) -> [seed, query, measure]
        slices: dict[str, NDArray[Any]] = {}
        for trial in trials:
            for stage, places in made_of(trial).items():
                tables = [_read(folder / root, partition) for root, partition in places]
                self.values[trial.number, stage] = np.stack(
                    [np.stack([numbers(table, name) for name in kind.measures], axis=1) for table in tables]
                )
                slices = slices or {name: np.array(tables[0].column(name).to_pylist()) for name in kind.slices} | {
                    "split": np.array(strings(tables[0], "split"), np.str_)
                }
        self.split_of = slices.pop("split", np.zeros(0, np.str_))
        self.slices = {"all": np.ones(len(self.split_of), np.bool_), **dict(named(slices))}

    def figures(self) -> Iterator[Figure]:
        """Every figure of every trial, split and slice."""
        for trial in self.trials:
            for split in self.splits:
                for name, chosen in self.slices.items():
                    queries = np.flatnonzero(chosen & (self.split_of == split))
                    if len(queries):
                        for figure in self._of_slice(trial, queries):
                            stage, measure, *rest = figure
                            point = trial.user_attrs["point"]
                            yield Figure(trial.number, point, stage, split, name, measure, len(queries), *rest)

    def slopes(self, flag: str) -> Iterator[Slope]:
        """Per doubling of a numeric flag; trials alike in all other flags share a level of their own."""
        xs = [float(trial.params[flag]) for trial in self.trials]
        groups = [tuple(value for name, value in trial.params.items() if name != flag) for trial in self.trials]
        differ = len(set(zip(xs, groups, strict=True))) > len(set(groups))  # two trials differ in this flag alone
        if not differ or min(xs) <= 0:
            return
        for stage in self.kind.commands:
            if not all((trial.number, stage) in self.values for trial in self.trials):
                continue
            stack = np.stack([self.values[trial.number, stage] for trial in self.trials])
            for split in self.splits:
                for place, measure in enumerate(self.kind.headline):
                    values = stack[:, :, self.split_of == split, place]
                    slope = slope_interval(np.log2(xs), values, groups, resamples=RESAMPLES)
                    yield Slope(flag, stage, split, measure, len(xs), slope)

    def _of_slice(self, trial: FrozenTrial, queries: NDArray[np.int64]) -> Iterator[tuple[Any, ...]]:
        """(stage, measure, seeds, value, low, high, seeds_low, seeds_high), all from one set of draws."""
        stages = {stage: self.values[trial.number, stage][:, queries] for stage in made_of(trial)}
        drawn, measures = (
            resampled(np.concatenate(list(stages.values()), axis=2), resamples=RESAMPLES),
            self.kind.measures,
        )
        for place, measure in enumerate(measures):
            draws = dict(zip(stages, drawn[:, place :: len(measures)].T, strict=True))
            seeds = {stage: values[:, :, place].mean(axis=1) for stage, values in stages.items()}
            spans = {stage: (span(each.mean(), draws[stage]), each) for stage, each in seeds.items()}
            if "star" in stages and seeds["in_batch"].all():
                after, before = seeds["star"], seeds["in_batch"]
                ratio = ratio_span(float(after.mean()), float(before.mean()), draws["star"], draws["in_batch"])
                added = span(after.mean() - before.mean(), draws["star"] - draws["in_batch"])
                spans |= {RATIO: (ratio, after / before), DIFFERENCE: (added, after - before)}
            for stage, (interval, each) in spans.items():
                yield stage, measure, len(each), *interval, *over_seeds(each)[1:]


def trials_table(trials: Sequence[FrozenTrial]) -> pa.Table:
    """One row per trial; every swept flag is a column of its own."""
    facts = [trial.user_attrs for trial in trials]
    columns: dict[str, list[Any]] = {
        "trial": [trial.number for trial in trials],
        "point": [fact["point"] for fact in facts],
        **{name: [trial.params[name] for trial in trials] for name in trials[0].params},
        "state": [trial.state.name.lower() for trial in trials],
        "objective": [float("nan") if trial.value is None else trial.value for trial in trials],
        "seconds": [float(fact.get("seconds", 0.0)) for fact in facts],
        **{name: [fact.get("shares", {}).get(name) for fact in facts] for name in SHARES},
        "error": [fact.get("error", "") for fact in facts],
    }
    return pa.table(columns)


def figures_table(figures: Sequence[Figure]) -> pa.Table:
    """One row per figure; an interval over one seed has no ends."""
    frame = pd.DataFrame([asdict(figure) for figure in figures])
    return pa.Table.from_pandas(frame.replace([np.inf, -np.inf], np.nan), preserve_index=False)


def _read(root: Path, partition: str) -> pa.Table:
    """Measures of each query, in the order of their ids."""
    with variable("NIGHTSHELF_TRIALS", str(root)):
        path = pin(Partition.parse(partition)).path("measures.parquet")
    return pq.read_table(path).sort_by("query_id")
