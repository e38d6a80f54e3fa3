"""A study as a page and as a table in the terminal: trials, curves with intervals, slopes, what failed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.lake import Partition
from jobs.training.flags import Setting, Value
from jobs.training.outcome import DIFFERENCE, RATIO, Row, Slope, Trial
from jobs.training.settings import Dimension
from models.intervals import Interval
from models.plots import Plot, spans

TEMPLATES = Path(__file__).parents[1] / "templates"
HEADLINE = ("R@60", "RR@60")
# Allegro's talk: what STAR multiplied, and what a doubled batch added
TALK_RATIO = {"R@60": 1.137, "RR@60": 1.358}
TALK_DOUBLING = {"R@60": 0.025, "RR@60": 0.015}
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
    def failed(self) -> list[Trial]:
        """The others."""
        return [one for one in self.trials if not one.made]


def short(value: Value) -> str:
    """A value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show(found: Findings) -> None:
    """Print the trials, the best first; standard output keeps the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    table = Table(title=f"{found.sweep}: {found.split}, by {found.objective}", title_justify="left")
    table.add_column("trial", justify="right")
    for one in found.dimensions:
        table.add_column(one.name, justify="right")
    stages = [stage for stage in ("in_batch", "star", RATIO) if any(row.stage == stage for row in found.rows)]  # fmt: skip
    for stage in stages:
        for measure in HEADLINE:
            table.add_column(f"{stage} {measure}", justify="right")
    table.add_column("s", justify="right")
    for trial in found.ranked:
        cells = [_cell(found.of(trial.number, stage, name)) for stage in stages for name in HEADLINE]  # fmt: skip
        values = [short(value) for value in trial.setting.values()]
        table.add_row(str(trial.number), *values, *cells, f"{trial.seconds:.0f}")
    console.print(table)
    for slope in found.slopes:
        if slope.split == found.split:
            console.print(f"{slope.measure} of {slope.stage} per doubling of {slope.flag}: {slope.found}")  # fmt: skip
    for trial in found.failed:
        console.print(f"[red]trial {trial.number}[/] {escape(trial.point)}: {escape(trial.error)}")


def render(found: Findings) -> str:
    """The page; every value is escaped by the template."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("sweep.html.j2").render(
        found=found,
        headline=HEADLINE,
        stages=[stage for stage in ("in_batch", "star", RATIO, DIFFERENCE)
                if any(row.stage == stage for row in found.rows)],
        plots=plots(found),
        slices=_slices(found),
        talk_ratio=TALK_RATIO,
        talk_doubling=TALK_DOUBLING,
        short=short,
    )  # fmt: skip
    return page + "\n"


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
    return drawn


def _curves(
    found: Findings, flag: str, stage: str, measure: str
) -> dict[str, list[tuple[float, Interval]]]:
    """A curve for each combination of the other flags; where they are many, those of the best trials."""
    curves: dict[str, list[tuple[float, Interval]]] = {}
    for trial in found.ranked:
        row = found.of(trial.number, stage, measure)
        name = _others(trial.setting, flag)
        if row and (name in curves or len(curves) < LINES):
            curves.setdefault(name, []).append((float(trial.setting[flag]), row.found))
    kept = {name: sorted(points) for name, points in curves.items() if len(points) > 1}
    return dict(sorted(kept.items()))


def _others(setting: Setting, flag: str) -> str:
    rest = [f"{name} {short(value)}" for name, value in setting.items() if name != flag]
    return ", ".join(rest) or flag


def _slices(found: Findings) -> list[tuple[str, int, list[tuple[str, Row]]]]:
    """Slice, its queries, and (trial's name, figure) of each trial's last stage: the objective's measure."""
    listed: dict[str, list[tuple[str, Row]]] = {}
    last = {trial.number: trial.last for trial in found.ranked}
    measure = found.objective if found.objective in HEADLINE else HEADLINE[0]
    for row in found.rows:
        if row.split == found.split and row.measure == measure and row.stage == last[row.trial]:
            listed.setdefault(row.slice, []).append((row.point, row))
    return [(name, rows[0][1].queries, rows) for name, rows in listed.items()]


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row.found.value:.3f} ±{(row.found.high - row.found.low) / 2:.3f}"
