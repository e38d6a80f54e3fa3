"""A study as a page and as a table in the terminal: trials, curves with intervals, slopes, what failed."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.experiments.plots import HEADLINE, Findings, plots, short
from jobs.experiments.results import DIFFERENCE, RATIO, Row
from jobs.platform.html import environment

# Allegro's talk: what STAR multiplied, and what a doubled batch added
TALK_RATIO = {"R@60": 1.137, "RR@60": 1.358}
TALK_DOUBLING = {"R@60": 0.025, "RR@60": 0.015}


def show(found: Findings) -> None:
    """Print the trials, the best first; standard output keeps the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    table = Table(title=f"{found.sweep}: {found.split}, by {found.objective}", title_justify="left")
    table.add_column("trial", justify="right")
    for one in found.dimensions:
        table.add_column(one.name, justify="right")
    stages = [stage for stage in ("in_batch", "star", RATIO) if any(row.stage == stage for row in found.rows)]
    for stage in stages:
        for measure in HEADLINE:
            table.add_column(f"{stage} {measure}", justify="right")
    table.add_column("s", justify="right")
    for trial in found.ranked:
        cells = [_cell(found.of(trial.number, stage, name)) for stage in stages for name in HEADLINE]
        values = [short(value) for value in trial.setting.values()]
        table.add_row(str(trial.number), *values, *cells, f"{trial.seconds:.0f}")
    console.print(table)
    for slope in found.slopes:
        if slope.split == found.split:
            console.print(f"{slope.measure} of {slope.stage} per doubling of {slope.flag}: {slope.found}")
    for trial in found.unmoved:
        share = trial.shares["unmoved_frac"]
        console.print(
            f"[yellow]trial {trial.number}[/]: in {share:.0%} of its trainings step 3 found nothing better on dev and kept step 1's towers"
        )
    for trial in found.failed:
        console.print(f"[red]trial {trial.number}[/] {escape(trial.point)}: {escape(trial.error)}")


def render(found: Findings) -> str:
    """The page; every value is escaped by the template."""
    page = (
        environment()
        .get_template("experiments/sweep.html.j2")
        .render(
            found=found,
            headline=HEADLINE,
            stages=[
                stage
                for stage in ("in_batch", "star", RATIO, DIFFERENCE)
                if any(row.stage == stage for row in found.rows)
            ],
            plots=plots(found),
            slices=_slices(found),
            talk_ratio=TALK_RATIO,
            talk_doubling=TALK_DOUBLING,
            short=short,
        )
    )
    return page + "\n"


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
