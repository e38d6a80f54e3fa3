"""Train and evaluate towers or item vectors over settings.

python -m jobs sweep --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --sweep sweep/ds=2026-01-31/study=batch_curve \\
    --space "batch_size=256,1024,4096;r_min=0,10,100" --fixed "epochs=4;preset=tiny" --seeds 3
python -m jobs sweep --stages prod2vec --items items/ds=2026-01-31 --session_items session_items/ds=2026-01-31 \\
    --holdout_sessions holdout_sessions/ds=2026-01-31 --sweep sweep/ds=2026-01-31/study=vectors --objective RR@25 \\
    --space "vector_size=32..128~;window=2..10;item2vec.epochs=10..160~" --sampler tpe --trials 30

`jobs.experiments.search_space` documents the language of `space` and `fixed`. A trial runs the real commands (towers,
tower_metrics, negatives, towers, tower_metrics; or item2vec) in lakes of their own, below NIGHTSHELF_TRIALS or
NIGHTSHELF_HOME/trials. After a kill the same command continues; several may run at once and share the work.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import pyarrow.parquet as pq
from annotated_types import MinLen
from optuna.trial import FrozenTrial

from jobs.experiments.report import StudyReport, render, show
from jobs.experiments.results import Kind, StudyFigures, figures_table, kind_of, made_of, trials_table
from jobs.experiments.search_space import METHODS, Setting, Value, flags_of, grid, is_numeric, parse_fixed, parse_space
from jobs.experiments.study import NEXT, SAMPLERS, Claim, Study
from jobs.experiments.trial_commands import Output, TrialCommands, variable
from jobs.lake import storage as store
from jobs.lake.attempt import spelled
from jobs.lake.partitions import NOWHERE, Partition, trials_root
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeFloat, NonNegativeInt, OneOf, OnOff, PositiveInt
from jobs.platform.html import printable
from jobs.platform.progress import progress
from jobs.platform.tracking import home, mlflow_run, reopened
from models.evaluation.measures import MEASURES

# two studies that differ in one of these do not compare
QUESTION = ("space", "stages", "sampler", "seeds", "fixed", "objective", "splits", "min_relevance", "seed")
log = logging.getLogger(__name__)


class Args(CommandArgs):
    """items             the catalogue
    sweep             output; its key study is the name of the study
    pairs             positives that the towers are trained on
    queries           their texts, and those of the judged queries
    qrels             judgements of dev and test queries
    session_items     items of sessions, for prod2vec and meta_prod2vec instead of pairs, queries and qrels
    holdout_sessions  sessions of dev and test that judge their vectors
    space             the varied settings: flag=a,b,c or flag=low..high or flag=low..high~ (log), separated by ;
    stages            in_batch alone; in_batch,star: with mining and step 3; or a method of item2vec
    sampler           grid takes every combination
    trials            settings that random and tpe try
    seeds             trainings of each setting, each with a seed of its own
    fixed             flag=value;... for every trial
    objective         measure whose mean over seeds is the trial's value
    splits            judged queries; the first is the objective's: settings are not chosen on test
    min_relevance     relevance from which an item counts; 0: as the judgements say
    workers           parallel processes on this machine
    limit_s           seconds that one command of a trial may take; 0: no limit
    budget_s          seconds after which no new trial begins; 0: no limit
    retry             on: trials that failed before are tried again
    keep              best: after success only the best trial's towers are kept; all: everything is
    only              plan, work or publish alone, for a DAG; empty: all three
    point             with only=work: this setting and no other
    seed              of the sampler, and the first of the trainings
    """

    items: Partition
    sweep: Partition
    pairs: Partition = NOWHERE
    queries: Partition = NOWHERE
    qrels: Partition = NOWHERE
    session_items: Partition = NOWHERE
    holdout_sessions: Partition = NOWHERE
    space: Annotated[str, MinLen(3), FIRST] = "batch_size=256,1024"
    stages: Annotated[str, OneOf("in_batch", "in_batch,star", *METHODS), FIRST] = "in_batch,star"
    sampler: Annotated[str, OneOf(*SAMPLERS), FIRST] = "grid"
    trials: Annotated[PositiveInt, FIRST] = 20
    seeds: Annotated[PositiveInt, FIRST] = 1
    fixed: Annotated[str, FIRST] = ""
    objective: Annotated[str, OneOf(*MEASURES, "RR@25", "Success@25")] = "R@60"
    splits: Annotated[str, OneOf("dev,test", "test,dev", "dev", "test")] = "dev,test"
    min_relevance: NonNegativeFloat = 0.0
    workers: PositiveInt = 1
    limit_s: NonNegativeFloat = 0.0
    budget_s: NonNegativeFloat = 0.0
    retry: OnOff = "off"
    keep: Annotated[str, OneOf("best", "all")] = "best"
    only: Annotated[str, OneOf("", "plan", "work", "publish")] = ""
    point: str = ""
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.point and self.only != "work":
            raise ValueError("point: give --only work too")
        if missing := [name for name, table in self.tables.items() if not table]:
            raise ValueError(f"stages={self.stages}: give {', '.join(missing)} too")
        known = self.kind.measures if self.stages in METHODS else MEASURES
        if self.objective not in known:
            raise ValueError(f"objective={self.objective}: stages={self.stages} measure {', '.join(known)}")

    @property
    def kind(self) -> Kind:
        """What the study trains."""
        return kind_of(self.stages)

    @property
    def tables(self) -> dict[str, Partition]:
        """The study's inputs."""
        return {name: getattr(self, name) for name in self.kind.inputs}


@dataclass(frozen=True)
class TrialParams:
    """point   the setting
    seeds   trainings of it
    """

    point: str
    seeds: int


class Sweep:
    """A study with its inputs, its folder of trials and its mlflow_run, the parent of those of the trials."""

    def __init__(self, args: Args) -> None:
        self.args, self.space, self.fixed = args, parse_space(args.space), parse_fixed(args.fixed)
        self.inputs = [pin(table) for table in args.tables.values()]
        if not self.space or self.space.keys() & self.fixed.keys():
            raise ValueError(
                f"space={args.space!r}, fixed={args.fixed!r}: expected a flag at least in space, none in both"
            )
        if isinstance(bert := self.fixed.get("prodbert"), str):
            self.inputs.append(pin(Partition.parse(bert)))
        for setting in grid(self.space) if args.sampler == "grid" else []:
            self.flags(setting)  # a setting that the commands refuse ends the sweep before it begins
        self.folder = _trials_folder(args.sweep)
        self.contents = tuple(pinned.manifest.content_sha256 for pinned in self.inputs)
        question = {name: getattr(args, name) for name in QUESTION} | {"contents": self.contents}
        self.study = Study(str(args.sweep), question, self.space, args.sampler, args.trials, args.seed)

    def begin(self) -> None:
        """Open the study's mlflow_run, or find the one that an earlier process opened."""
        self.mlflow_run = self.study.recall("mlflow_run")
        if not self.mlflow_run:
            with mlflow_run("sweep", self.args, self.inputs, name=self.study.name) as tracked:
                self.mlflow_run = tracked.id
            self.study.remember("mlflow_run", self.mlflow_run)
        with reopened(self.mlflow_run) as tracked:
            tracked.status("RUNNING")

    def flags(self, setting: Setting) -> dict[str, dict[str, Value]]:
        """The flags of each command of a trial."""
        return flags_of({**self.fixed, **setting}, self.args.kind.commands)

    def trials(self) -> list[FrozenTrial]:
        """All trials that ended."""
        return list(self.study.ended().values())

    def run(self, claim: Claim) -> str:
        """Run a trial and record its result; returns its error, empty after success."""
        log.info("trial %s", claim.point)
        options = self.args.splits, self.args.min_relevance, self.args.limit_s
        commands = TrialCommands(self.folder, self.args.tables, self.contents, *options)
        made: dict[str, list[Output]] = {}
        value, error = None, ""
        with variable("NIGHTSHELF_PARENT_RUN", self.mlflow_run):
            try:
                with mlflow_run("sweep", TrialParams(claim.point, self.args.seeds), name=claim.point) as tracked:
                    with variable("NIGHTSHELF_PARENT_RUN", tracked.id):
                        made = self._stages(commands, claim.setting)
                    value = self._objective(made)
                    tracked.params(claim.setting)
                    tracked.measures({self.args.objective: value})
            except (RuntimeError, ValueError, LookupError) as failure:
                error = printable(str(failure), 1_000)
                log.error("trial %s: %s", claim.point, error)
        places = {
            stage: [(output.root.name, str(output.pinned.partition)) for output in outputs]
            for stage, outputs in made.items()
        }
        facts = {
            "made": json.dumps({} if error else places),
            "roots": sorted({output.root.name for output in commands.outputs}),
            # a command shared with another trial counts in both: the cost of this trial alone
            "seconds": sum(output.pinned.manifest.seconds for output in commands.outputs),
            "shares": commands.shares(),
        }
        self.study.record(claim, value, facts | ({"error": error} if error else {}))
        return error

    def _stages(self, commands: TrialCommands, setting: Setting) -> dict[str, list[Output]]:
        """Train and evaluate, seed by seed: stage -> what was judged, one for each seed."""
        flags = self.flags(setting)
        made: dict[str, list[Output]] = {stage: [] for stage in self.args.stages.split(",")}
        for seed in range(self.args.seed, self.args.seed + self.args.seeds):
            if (method := self.args.stages) in METHODS:
                made[method].append(commands.item2vec(method, {**flags[method], "seed": seed}))
                continue
            first = commands.towers("in_batch", {**flags["in_batch"], "seed": seed})
            made["in_batch"].append(commands.tower_metrics(first))
            if "star" in made:
                mined = commands.negatives({**flags["negatives"], "seed": seed}, first)
                second = commands.towers("star", {**flags["star"], "seed": seed}, first, mined)
                made["star"].append(commands.tower_metrics(second))
        return made

    def _objective(self, made: Mapping[str, Sequence[Output]]) -> float:
        """Mean over seeds of the objective of the last stage, on the first split."""
        split, last = self.args.splits.split(",")[0], list(made.values())[-1]
        return fmean(output.pinned.facts["splits"][split]["all"][self.args.objective][0] for output in last)

    def clear(self, kept: Iterable[str]) -> int:
        """Delete towers and negatives of the study but those named; returns the bytes. Measures stay."""
        freed, kept = 0, set(kept)
        for root in self.folder.iterdir():
            if root.name.startswith(("towers-", "negatives-")) and root.name not in kept:
                files = (file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
                freed += sum(file.lstat().st_size for file in files)
                shutil.rmtree(root)
        return freed

    def report(self) -> StudyReport:
        """All figures of all trials.

        Raises:
            RuntimeError: no trial succeeded.
        """
        args, trials = self.args, self.trials()
        ranked = sorted((trial for trial in trials if made_of(trial)), key=lambda trial: -(trial.value or 0.0))
        failed = [trial for trial in trials if not made_of(trial)]
        if not ranked:
            errors = "; ".join(dict.fromkeys(str(trial.user_attrs["error"]) for trial in failed))
            raise RuntimeError(f"{args.sweep}: none of {len(trials)} trials succeeded: {errors or 'none was begun'}")
        done = [trial for trial in trials if made_of(trial)]
        figures = StudyFigures(self.folder, done, args.splits.split(","), args.kind)
        return StudyReport(
            sweep=args.sweep,
            question={name: getattr(args, name) for name in QUESTION},
            space=self.space,
            ranked=ranked,
            failed=failed,
            figures=list(figures.figures()),
            slopes=[
                slope for name, values in self.space.items() if is_numeric(values) for slope in figures.slopes(name)
            ],
            split=figures.splits[0],
            objective=args.objective,
            simulated=any(pinned.manifest.simulated for pinned in self.inputs),
        )


def main(args: Args) -> dict[str, Any]:
    """Plan, work, publish."""
    sweep = Sweep(args)
    sweep.begin()
    try:
        return _run(args, sweep)
    except BaseException:
        with reopened(sweep.mlflow_run) as tracked:
            tracked.status("FAILED")
        raise


def _run(args: Args, sweep: Sweep) -> dict[str, Any]:
    if args.only == "plan":
        return {"sweep": str(args.sweep), "points": [_words(args, point) for point in sweep.study.points()]}
    error = _work(args, sweep) if args.only in ("", "work") else ""
    if args.point and error:
        raise RuntimeError(f"{args.point}: {error}")
    if args.only == "work":
        return {"sweep": str(args.sweep), "point": args.point, "left": len(sweep.study.points())}
    return _publish(args, sweep)


def _words(args: Args, point: str) -> list[str]:
    """The words of a command that runs the trial of a point, or with no point whatever is left."""
    flags = spelled(replace(args, only="work", point=point, workers=1))
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


def _work(args: Args, sweep: Sweep) -> str:
    """Run trials until none is left, or the one asked for; returns the last error."""
    study, started, error = sweep.study, time.monotonic(), ""
    command = [sys.executable, "-m", "jobs", "sweep", *_words(replace(args, retry="off"), "")]
    null = subprocess.DEVNULL
    helpers = [subprocess.Popen(command, stdin=null, stdout=null) for _ in range(args.workers - 1)]
    again = (
        {trial.user_attrs["point"] for trial in sweep.trials() if not made_of(trial)} if args.retry == "on" else set()
    )
    total = 1 if args.point else len(study.points()) + len(again)
    with progress("sweep", total, "trials") as advance:
        while claim := study.claim(args.point or NEXT, again):
            again.discard(claim.point)
            error = sweep.run(claim)
            advance(1, claim.point)
            if args.point or (args.budget_s and time.monotonic() - started > args.budget_s):
                break
    for helper in helpers:
        helper.wait()
    return error


def _publish(args: Args, sweep: Sweep) -> dict[str, Any]:
    """Write the page and the tables, and delete what no longer serves."""
    report, left = sweep.report(), len(sweep.study.points())
    best, failed = report.ranked[0], len(report.failed)
    trials = len(report.ranked) + failed
    with publish(args.sweep, args, sweep.inputs) as out:
        out.mlflow_run_id = sweep.mlflow_run
        (out.folder / "sweep.html").write_text(render(report), "utf-8")
        tables = {"trials": trials_table(sweep.trials()), "measures": figures_table(report.figures)}
        for name, table in tables.items():
            pq.write_table(table, out.folder / f"{name}.parquet", compression="zstd", write_page_checksum=True)
        out.facts.update(_facts(sweep, report))
        out.count("trials", trials + left, trials - failed, {"failed": failed, "not begun": left})
    with reopened(sweep.mlflow_run) as tracked:
        tracked.measures({args.objective: best.value or 0.0})
        tracked.tags({"best": best.user_attrs["point"]})
        tracked.artifact(pin(args.sweep).path("sweep.html"))
        tracked.status("FINISHED")
    show(report)
    return {
        "sweep": str(args.sweep),
        "trials": trials,
        "failed": failed,
        "left": left,
        "best": best.user_attrs["point"],
        args.objective: round(best.value or 0.0, 5),
        "freed_bytes": sweep.clear(best.user_attrs["roots"]) if args.keep == "best" and not left else 0,
    }


def _facts(sweep: Sweep, report: StudyReport) -> dict[str, Any]:
    best = report.ranked[0]
    return {
        "question": dict(report.question),
        "best": {
            "trial": best.number,
            "point": best.user_attrs["point"],
            report.objective: best.value,
            "flags": sweep.flags(best.params),
            "lakes": str(sweep.folder),
        },
        "slopes": [{**vars(slope), "per_doubling": list(slope.per_doubling)} for slope in report.slopes],
    }


def _trials_folder(sweep: Partition) -> Path:
    """The folder with the lakes of a study's trials.

    Raises:
        ValueError: NIGHTSHELF_TRIALS is no folder of this machine.
    """
    root = trials_root() or str(home() / "trials")
    if not store.is_local(root):
        raise ValueError(f"NIGHTSHELF_TRIALS={root}: a sweep wants a folder of this machine, for its locks")
    return store.local_path(root) / "-".join(sweep.values.values())
