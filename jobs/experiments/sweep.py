"""Experiments as one command: flags of jobs.towers.train and jobs.towers.mine over what they range, every trial judged.

python -m jobs sweep --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --sweep sweep/ds=2026-01-31/study=batch_curve \\
    --space "batch_size=256,1024,4096;r_min=0,10,100" --fixed "epochs=4;preset=tiny" --seeds 3

The language of `space` and `fixed` stands in jobs.experiments.search_space. A trial is the real commands (towers, measure,
negatives, towers, measure) in lakes of their own, below NIGHTSHELF_TRIALS or NIGHTSHELF_HOME/trials. Killed, the same
command goes on; several may run at once and share the work.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.experiments.findings import gather, track, write
from jobs.experiments.flags import flags_of
from jobs.experiments.report import show
from jobs.experiments.search_space import grid, parse_fixed, parse_space
from jobs.experiments.study import NEXT, SAMPLERS, Plan, Study
from jobs.experiments.worker import Question, Sweeping, study_folder
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.lake.seal import spelled
from jobs.platform.progress import progress
from models.evaluation.measures import MEASURES

PHASES = ("", "plan", "work", "publish")


@dataclass(frozen=True)
class Args:
    """pairs          positives that the towers learn from
    queries        their texts, and those of the judged queries
    items          the catalogue
    qrels          judgements of dev and test queries
    sweep          output; its key study names what is being found out
    space          what varies: flag=a,b,c or flag=low..high or flag=low..high~ (log), parted by ;
    stages         in_batch, or in_batch,star: with mining and step 3
    sampler        grid (every combination), random or tpe
    trials         how many settings random and tpe try
    seeds          trainings of each setting, with seeds of their own
    fixed          flag=value;... for every trial
    objective      measure whose mean over seeds is the trial's worth
    splits         judged queries; the first is the objective's: settings are not chosen on test
    min_relevance  relevance from which an item counts; 0: as the judgements say
    workers        processes that work side by side on this machine
    limit_s        seconds that one command of a trial may take; 0: no limit
    budget_s       seconds after which no new trial begins; 0: no limit
    retry          on: trials that failed before are tried again
    keep           best: after success only the best trial's towers stay; all: everything stays
    only           plan, work or publish alone, for a DAG; empty: all three
    point          with only=work: this setting and no other
    seed           of the sampler, and the first of the trainings
    """

    pairs: Partition
    queries: Partition
    items: Partition
    qrels: Partition
    sweep: Partition
    space: str = "batch_size=256,1024"
    stages: str = "in_batch,star"
    sampler: str = "grid"
    trials: int = 20
    seeds: int = 1
    fixed: str = ""
    objective: str = "R@60"
    splits: str = "dev,test"
    min_relevance: float = 0.0
    workers: int = 1
    limit_s: float = 0.0
    budget_s: float = 0.0
    retry: str = "off"
    keep: str = "best"
    only: str = ""
    point: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("stages", ("in_batch", "in_batch,star")),
            ("sampler", SAMPLERS),
            ("only", PHASES),
            ("objective", MEASURES),
            ("splits", ("dev,test", "test,dev", "dev", "test")),
            ("retry", ("on", "off")),
            ("keep", ("best", "all")),
        ):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name}={value!r}: expected one of {' | '.join(filter(None, known))}")
        if min(self.trials, self.seeds, self.workers) < 1 or min(self.limit_s, self.budget_s) < 0:
            raise ValueError("trials, seeds and workers must be >= 1, limit_s and budget_s >= 0")
        if self.point and self.only != "work":
            raise ValueError("point: give --only work too")


def main(args: Args) -> dict[str, Any]:
    """Plan, work, publish."""
    inputs = [pin(one) for one in (args.pairs, args.queries, args.items, args.qrels)]
    dimensions, fixed = parse_space(args.space), parse_fixed(args.fixed)
    if not dimensions or {one.name for one in dimensions} & fixed.keys():
        raise ValueError(f"space={args.space!r}, fixed={args.fixed!r}: expected a flag at least in space, none in both")
    if isinstance(bert := fixed.get("prodbert"), str):
        inputs.append(pin(Partition.parse(bert)))
    for point in grid(dimensions) if args.sampler == "grid" else []:
        flags_of({**fixed, **point})  # a setting that the jobs refuse ends the sweep before it begins
    question = Question(
        args.space,
        args.stages,
        args.sampler,
        args.seeds,
        args.fixed,
        args.objective,
        args.splits,
        args.min_relevance,
        args.seed,
        tuple(one.manifest.content_sha256 for one in inputs),
    )
    plan = Plan(dimensions, args.sampler, args.trials, args.seed, asdict(question))
    given = {"pairs": args.pairs, "queries": args.queries, "items": args.items, "qrels": args.qrels}
    study, folder = Study(str(args.sweep), plan), study_folder(args.sweep)
    sweeping = Sweeping(study, question, fixed, given, folder, args.limit_s)
    sweeping.begin(args, inputs)
    if args.only == "plan":
        return {"sweep": str(args.sweep), "points": _words(args, study.points())}
    error = _work(args, sweeping) if args.only in ("", "work") else ""
    if args.point and error:
        raise RuntimeError(f"{args.point}: {error}")
    if args.only == "work":
        return {"sweep": str(args.sweep), "point": args.point, "left": len(study.points())}
    return _publish(args, sweeping, inputs)


def _words(args: Args, points: list[str]) -> list[list[str]]:
    """For each trial still to be done the words of a command that does it."""
    each = [spelled(replace(args, only="work", point=point, workers=1)) for point in points]
    return [[word for name, value in one.items() for word in (f"--{name}", str(value))] for one in each]


def _work(args: Args, sweeping: Sweeping) -> str:
    """Take trials until none is left, or the one asked for; returns the last error."""
    study, started, error = sweeping.study, time.monotonic(), ""
    command = [sys.executable, "-m", "jobs", "sweep", *_words(replace(args, retry="off"), [""])[0]]
    null = subprocess.DEVNULL
    helpers = [subprocess.Popen(command, stdin=null, stdout=null) for _ in range(args.workers - 1)]
    again = {one.point for one in sweeping.trials() if one.error} if args.retry == "on" else set()
    total = 1 if args.point else len(study.points()) + len(again)
    with progress("sweep", total, "trials") as advance:
        while claim := study.claim(args.point if args.point != NEXT else "", again):
            again.discard(claim.point)
            error = sweeping.run(claim)
            advance(1, claim.point)
            late = args.budget_s and time.monotonic() - started > args.budget_s
            if args.point or late:
                break
    for helper in helpers:
        helper.wait()
    return error


def _publish(args: Args, sweeping: Sweeping, inputs: list[Pinned]) -> dict[str, Any]:
    """Gather what the trials found, clear away the rest."""
    trials = sweeping.trials()
    if not any(one.made for one in trials):
        said = "; ".join(dict.fromkeys(one.error for one in trials))
        raise RuntimeError(f"{args.sweep}: none of {len(trials)} trials went well: {said or 'none was begun'}")
    found = gather(args.sweep, sweeping, trials, any(one.manifest.simulated for one in inputs))
    parent = sweeping.study.recall("mlflow_run")
    with publish(args.sweep, args, inputs) as out:
        out.mlflow_run_id = parent
        out.facts.update(write(out.folder, found, sweeping))
        left = len(sweeping.study.points())
        failed = len(found.failed)
        out.count("trials", len(trials) + left, len(trials) - failed, {"failed": failed, "not begun": left})
    track(parent, pin(args.sweep), found)
    show(found)
    best = found.ranked[0]
    freed = sweeping.clear(best.roots) if args.keep == "best" and not left else 0
    return {
        "sweep": str(args.sweep),
        "trials": len(trials),
        "failed": failed,
        "left": left,
        "best": best.point,
        args.objective: round(best.objective, 5),
        "freed_bytes": freed,
    }
