"""A study as a page and as a table in the terminal: trials, curves with intervals, slopes, failures."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.experiments.results import DIFFERENCE, RATIO, Figure, Slope, kind_of, made_of
from jobs.experiments.search_space import METHODS, Setting, Space, Value, is_numeric, target_of
from jobs.lake.partitions import Partition
from jobs.platform.html import environment
from models.evaluation.plots import Plot, lines, spans

STAGES = ("in_batch", "star", RATIO, DIFFERENCE, *METHODS)
CURVES = 5  # in one picture, as many as there are hues
# Allegro's talk: the factor of STAR, and the gain of a doubled batch
TALK_RATIO = {"R@60": 1.137, "RR@60": 1.358}
TALK_DOUBLING = {"R@60": 0.025, "RR@60": 0.015}


@dataclass(frozen=True)
class StudyReport:
    """A study as page and table show it. ranked: trials that succeeded, the best first; split: that of the choice."""

    sweep: Partition
    question: Mapping[str, Any]
    space: Space
    ranked: Sequence[FrozenTrial]
    failed: Sequence[FrozenTrial]
    figures: Sequence[Figure]
    slopes: Sequence[Slope]
    split: str
    objective: str
    simulated: bool

    @property
    def headline(self) -> tuple[str, ...]:
        """Measures of page and table."""
        return kind_of(self.question["stages"]).headline

    @cached_property
    def overall(self) -> dict[tuple[int, str, str, str], Figure]:
        """(trial, stage, measure, split) -> figure over all queries."""
        rows = [row for row in self.figures if row.slice == "all"]
        return {(row.trial, row.stage, row.measure, row.split): row for row in rows}

    @property
    def stages(self) -> list[str]:
        """Stages that have figures."""
        return [stage for stage in STAGES if any(row.stage == stage for row in self.figures)]

    @property
    def unmoved(self) -> list[FrozenTrial]:
        """Trials whose step 3 ended with the towers of step 1 in some training: a ratio of 1 proves nothing there."""
        return [trial for trial in self.ranked if trial.user_attrs["shares"].get("unmoved_frac")]

    def of(self, trial: int, stage: str, measure: str) -> Figure | None:
        """The figure over all queries of the split of the choice."""
        return self.overall.get((trial, stage, measure, self.split))

    def elsewhere(self) -> list[Figure]:
        """The best trial's objective on the splits that did not choose it."""
        best = self.ranked[0]
        key = (best.number, last_stage(best), self.objective)
        return [row for at, row in self.overall.items() if at[:3] == key and row.split != self.split]

    def slices(self) -> list[tuple[str, int, list[Figure]]]:
        """Slice, its queries, and the figure of each trial's last stage."""
        last = {trial.number: last_stage(trial) for trial in self.ranked}
        measure = self.objective if self.objective in self.headline else self.headline[0]
        rows = [row for row in self.figures if (row.split, row.measure) == (self.split, measure)]
        slices: dict[str, list[Figure]] = {}
        for row in rows:
            if row.stage == last[row.trial]:
                slices.setdefault(row.slice, []).append(row)
        return [(name, some[0].queries, some) for name, some in slices.items()]


def last_stage(trial: FrozenTrial) -> str:
    """The stage whose towers or vectors a trial is for."""
    return list(made_of(trial))[-1]


def short(value: Value) -> str:
    """A value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def render(report: StudyReport) -> str:
    """The page; the template escapes every value."""
    template = environment().get_template("experiments/sweep.html.j2")
    talk = {"talk_ratio": TALK_RATIO, "talk_doubling": TALK_DOUBLING}
    return (
        template.render(report=report, headline=report.headline, plots=dict(plots(report)), short=short, **talk) + "\n"
    )


def show(report: StudyReport) -> None:
    """Print the trials, the best first, on standard error; standard output has the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    table = Table(title=f"{report.sweep}: {report.split}, by {report.objective}", title_justify="left")
    columns = [(stage, name) for stage in report.stages if stage != DIFFERENCE for name in report.headline]
    for title in ("trial", *report.space, *map(" ".join, columns), "s"):
        table.add_column(title, justify="right")
    for trial in report.ranked:
        values = [short(trial.params[name]) for name in report.space]
        cells = [_cell(report.of(trial.number, *column)) for column in columns]
        table.add_row(str(trial.number), *values, *cells, f"{trial.user_attrs['seconds']:.0f}")
    console.print(table)
    for slope in report.slopes:
        if slope.split == report.split:
            console.print(f"{slope.measure} of {slope.stage} per doubling of {slope.flag}: {slope.per_doubling}")
    for trial in report.unmoved:
        share = trial.user_attrs["shares"]["unmoved_frac"]
        console.print(
            f"[yellow]trial {trial.number}[/]: {share:.0%} of its trainings of step 3 had no better epoch on dev and "
            "kept the towers of step 1"
        )
    for trial in report.failed:
        facts = trial.user_attrs
        console.print(f"[red]trial {trial.number}[/] {escape(facts['point'])}: {escape(facts['error'])}")


def plots(report: StudyReport) -> Iterator[tuple[str, Plot]]:
    """Title and plot of a curve over each number that varied."""
    for flag, values in report.space.items():
        xs = {float(trial.params[flag]) for trial in report.ranked if is_numeric(values)}
        if len(xs) < 2:
            continue
        target, log_x = target_of(flag), min(xs) > 0 and max(xs) / min(xs) >= 4
        for stage in report.stages:
            for measure in report.headline if stage in (*target.stages, "star", RATIO) else ():
                rows = [(trial.params, report.of(trial.number, stage, measure)) for trial in report.ranked]
                points = [(params, (row.value, row.low, row.high)) for params, row in rows if row]
                curves = {name: some for name, some in _curves(points, flag, stage).items() if len(some) > 1}
                if curves:
                    yield f"{measure} of {stage} by {flag}", spans(curves, flag, f"{measure}, {stage}", log_x)
        if target.command == "negatives":
            shares = [(trial.params, trial.user_attrs["shares"].get("false_frac")) for trial in report.ranked]
            known = [(params, share) for params, share in shares if share is not None]
            if known:
                by_name = {
                    name: ([x for x, _ in some], [y for _, y in some])
                    for name, some in _curves(known, flag, "negatives").items()
                }
                yield f"false negatives by {flag}", lines(by_name, flag, "estimated share")


def _curves(points: Sequence[tuple[Setting, Any]], flag: str, stage: str) -> dict[str, list[tuple[float, Any]]]:
    """A curve (x, value) for each combination of the other flags; of many, those of the best trials."""
    curves: dict[str, dict[float, Any]] = {}
    for setting, value in points:
        # the other flags that make a difference to the stage
        others = [name for name in setting if name != flag and (stage != "in_batch" or stage in target_of(name).stages)]
        title = ", ".join(f"{name} {short(setting[name])}" for name in others) or flag
        if title in curves or len(curves) < CURVES:
            curves.setdefault(title, {})[float(setting[flag])] = value
    return {title: sorted(some.items()) for title, some in sorted(curves.items())}


def _cell(row: Figure | None) -> str:
    return f"{row.value:.3f} ±{(row.high - row.low) / 2:.3f}" if row else ""
