"""From the trials of a study to the files of its partition and the figures of its mlflow_run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.experiments.plots import Findings
from jobs.experiments.report import render
from jobs.experiments.results import Outcome, Row, Trial
from jobs.experiments.worker import Sweeping
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.platform.tracking import MlflowRun, client


def gather(sweep: Partition, sweeping: Sweeping, trials: Sequence[Trial], simulated: bool) -> Findings:
    """Every figure of every trial."""
    question, dimensions = sweeping.question, sweeping.study.plan.dimensions
    # without the digests, which say nothing to people
    asked = {name: value for name, value in asdict(question).items() if name != "contents"}
    splits = question.splits.split(",")
    outcome = Outcome(sweeping.folder, trials, splits)
    slopes = [slope for one in dimensions if one.numeric for slope in outcome.slopes(one.name)]
    return Findings(
        sweep, asked, dimensions, trials, list(outcome.rows()), slopes, splits[0], question.objective, simulated
    )


def write(folder: Path, found: Findings, sweeping: Sweeping) -> dict[str, Any]:
    """Write the page and the tables; returns the partition's facts."""
    (folder / "sweep.html").write_text(render(found), "utf-8")
    for table, name in ((_trials(found.trials), "trials"), (_measures(found.rows), "measures")):
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", write_page_checksum=True)
    best = found.ranked[0]
    return {
        "question": dict(found.question),
        "best": {
            "trial": best.number,
            "point": best.point,
            found.objective: best.objective,
            "flags": sweeping.commands(best),
            "lakes": str(sweeping.folder),
        },
        "slopes": [
            {
                "flag": one.flag,
                "stage": one.stage,
                "split": one.split,
                "measure": one.measure,
                "trials": one.points,
                "per_doubling": list(one.found),
            }
            for one in found.slopes
        ],
    }


def track(run_id: str, sweep: Pinned, found: Findings) -> None:
    """The best trial's figures and the page, on the study's mlflow_run; then it is finished."""
    api = client()
    tracked = MlflowRun(api, run_id)
    tracked.measures({found.objective: found.ranked[0].objective})
    tracked.tags({"best": found.ranked[0].point})
    tracked.artifact(sweep.path("sweep.html"))
    api.set_terminated(run_id, "FINISHED")


def _trials(trials: Sequence[Trial]) -> pa.Table:
    """One row per trial; every swept flag is a column of its own."""
    names = list(dict.fromkeys(name for one in trials for name in one.setting))
    columns: dict[str, list[Any]] = {
        "trial": [one.number for one in trials],
        "point": [one.point for one in trials],
        **{name: [one.setting[name] for one in trials] for name in names},
        "state": [one.state for one in trials],
        "objective": [one.objective for one in trials],
        "seconds": [one.seconds for one in trials],
        **{name: [one.shares.get(name) for one in trials] for name in ("unmoved_frac", "false_frac", "filled_frac")},
        "error": [one.error for one in trials],
    }
    return pa.table(columns)


def _measures(rows: Sequence[Row]) -> pa.Table:
    """The rows as Arrow; an interval over one seed has no ends."""
    plain = ("trial", "point", "stage", "split", "slice", "measure", "queries", "seeds")
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in plain}
    for name, place in (("value", 0), ("low", 1), ("high", 2)):
        columns[name] = [row.found[place] for row in rows]
    for name, place in (("seeds_low", 1), ("seeds_high", 2)):
        ends = [row.of_seeds[place] for row in rows]
        columns[name] = [end if np.isfinite(end) else None for end in ends]
    return pa.table(columns)
