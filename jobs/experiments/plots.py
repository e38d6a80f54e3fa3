"""What a study found, and its pictures: a curve over each number that was swept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.experiments.flags import Setting, Value, target_of
from jobs.experiments.results import RATIO, Row, Slope, Trial
from jobs.experiments.search_space import Dimension
from jobs.lake.partitions import Partition
from models.evaluation.intervals import Interval
from models.evaluation.plots import Plot, lines, spans

HEADLINE = ("R@60", "RR@60")
LINES = 5  # curves in one picture, as many as there are hues


@dataclass(frozen=True)
class Findings:
    """What page and table show."""

    sweep: Partition
    question: Mapping[str, Any]
    dimensions: Sequence[Dimension]
    trials: Sequence[Trial]
    rows: Sequence[Row]
    slopes: Sequence[Slope]
    split: str
    objective: str
    simulated: bool

    def of(self, trial: int, stage: str, measure: str) -> Row | None:
        """The figure over all queries of the first split."""
        return self._found.get((trial, stage, measure))

    @property
    def elsewhere(self) -> list[Row]:
        """The best trial's objective on the splits that did not choose it."""
        best = self.ranked[0]
        wanted = (best.number, best.last, "all", self.objective)
        return [
            row
            for row in self.rows
            if (row.trial, row.stage, row.slice, row.measure) == wanted and row.split != self.split
        ]

    @property
    def _found(self) -> dict[tuple[int, str, str], Row]:
        return {
            (row.trial, row.stage, row.measure): row
            for row in self.rows
            if row.slice == "all" and row.split == self.split
        }

    @property
    def ranked(self) -> list[Trial]:
        """Trials that went well, the best first."""
        done = [one for one in self.trials if one.made]
        return sorted(done, key=lambda one: -one.objective)

    @property
    def unmoved(self) -> list[Trial]:
        """Trials whose step 3 kept step 1's towers in some training: a ratio of 1 says nothing there."""
        return [one for one in self.ranked if one.shares.get("unmoved_frac")]

    @property
    def failed(self) -> list[Trial]:
        """The others."""
        return [one for one in self.trials if not one.made]


def short(value: Value) -> str:
    """A value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plots(found: Findings) -> dict[str, Plot]:
    """A curve over each number that was swept: title -> plot."""
    drawn: dict[str, Plot] = {}
    for one in found.dimensions:
        xs = {float(t.setting[one.name]) for t in found.ranked if one.numeric}
        if len(xs) < 2:
            continue
        log_x = min(xs) > 0 and max(xs) / min(xs) >= 4
        for stage in ("in_batch", "star", RATIO):
            for measure in HEADLINE:
                if curves := _curves(found, one.name, stage, measure):
                    title = f"{measure} of {stage} by {one.name}"
                    drawn[title] = spans(curves, one.name, f"{measure}, {stage}", log_x)
        if false := _mined(found, one.name):
            drawn[f"false negatives by {one.name}"] = lines(false, one.name, "estimated share")
    return drawn


def _curves(found: Findings, flag: str, stage: str, measure: str) -> dict[str, list[tuple[float, Interval]]]:
    """A curve for each combination of the other flags; where they are many, those of the best trials."""
    curves: dict[str, dict[float, Interval]] = {}
    if stage == "in_batch" and stage not in target_of(flag).stages:
        return {}
    for trial in found.ranked:
        row = found.of(trial.number, stage, measure)
        name = _others(trial.setting, flag, stage)
        if row and (name in curves or len(curves) < LINES):
            curves.setdefault(name, {})[float(trial.setting[flag])] = row.found
    kept = {name: sorted(points.items()) for name, points in curves.items() if len(points) > 1}
    return dict(sorted(kept.items()))


def _mined(found: Findings, flag: str) -> dict[str, tuple[list[float], list[float]]]:
    """Estimated share of false ones among the mined negatives; only where the flag is one of mining."""
    known = [one for one in found.ranked if "false_frac" in one.shares]
    if target_of(flag).job != "negatives" or not known:
        return {}
    curves: dict[str, list[tuple[float, float]]] = {}
    for one in known:
        point = float(one.setting[flag]), one.shares["false_frac"]
        curves.setdefault(_others(one.setting, flag, "negatives"), []).append(point)
    first = dict(sorted(curves.items())[:LINES])
    return {name: ([x for x, _ in sorted(ps)], [y for _, y in sorted(ps)]) for name, ps in first.items()}


def _others(setting: Setting, flag: str, stage: str) -> str:
    """The other flags that make a difference to the stage."""
    rest = [
        f"{name} {short(value)}"
        for name, value in setting.items()
        if name != flag and (stage != "in_batch" or stage in target_of(name).stages)
    ]
    return ", ".join(rest) or flag
