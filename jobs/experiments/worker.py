"""Working on a study: one trial's commands for every seed, its place in MLflow, what may be cleared away after."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from jobs.experiments.apart import facts_of
from jobs.experiments.flags import Value, flags_of
from jobs.experiments.results import Trial
from jobs.experiments.search_space import parse_point
from jobs.experiments.study import Claim, Study
from jobs.experiments.trial_commands import Bench, Made
from jobs.lake import storage as store
from jobs.lake.partitions import Partition, trials_root
from jobs.lake.read import Pinned
from jobs.platform.display import printable
from jobs.platform.tracking import MlflowRun, client, home, mlflow_run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What a study finds out: its trials can be compared. contents: digests of the inputs."""

    space: str
    stages: str
    sampler: str
    seeds: int
    fixed: str
    objective: str
    splits: str
    min_relevance: float
    seed: int
    contents: tuple[str, ...]


@dataclass(frozen=True)
class TrialArgs:
    """point   the setting
    seeds   trainings of it
    """

    point: str
    seeds: int


def study_folder(sweep: Partition) -> Path:
    """Where the lakes of a study's trials are.

    Raises:
        ValueError: NIGHTSHELF_TRIALS is no folder of this machine.
    """
    root = trials_root() or str(home() / "trials")
    if not store.is_local(root):
        raise ValueError(f"NIGHTSHELF_TRIALS={root}: a sweep wants a folder of this machine, for its locks")
    return store.local_path(root) / "-".join(sweep.values.values())


class Sweeping:
    """One process at work on a study."""

    def __init__(
        self,
        study: Study,
        question: Question,
        fixed: Mapping[str, Value],
        inputs: Mapping[str, Partition],
        folder: Path,
        limit_s: float = 0.0,
    ) -> None:
        self.study, self.question, self.fixed = study, question, fixed
        self.inputs, self.folder, self.limit_s = inputs, folder, limit_s

    def begin(self, args: DataclassInstance, inputs: Sequence[Pinned]) -> str:
        """Open the study's mlflow_run, the parent of all, or find it; returns its id."""
        if not (parent := self.study.recall("mlflow_run")):
            with mlflow_run("sweep", args, inputs, name=self.study.name) as tracked:
                parent = tracked.id
            self.study.remember("mlflow_run", parent)
        client().update_run(parent, status="RUNNING")
        return parent

    def run(self, claim: Claim) -> str:
        """Do a trial and tell the study; returns its error, empty when it went well."""
        log.info("trial %d: %s", claim.trial.number, claim.point)
        bench = Bench(
            self.folder,
            self.inputs,
            self.question.contents,
            self.question.splits,
            self.question.min_relevance,
            self.limit_s,
        )
        made: dict[str, list[tuple[str, str]]] = {}
        value, error = None, ""
        with _parent(self.study.recall("mlflow_run")):
            try:
                args = TrialArgs(claim.point, self.question.seeds)
                with mlflow_run("sweep", args, name=claim.point) as tracked, _parent(tracked.id):
                    measured = self._stages(bench, claim)
                    made = {stage: [_place(one) for one in found] for stage, found in measured.items()}
                    value = self._worth(made)
                    _track(tracked, claim, value, self.question.objective)
            except (RuntimeError, ValueError, LookupError) as failed:
                error = printable(str(failed), 1_000)
                log.error("trial %d: %s", claim.trial.number, error)
        facts: dict[str, object] = {
            "made": json.dumps(made),
            "roots": sorted({one.root.name for one in bench.made}),
            # a command shared with another trial counts in both: what the trial costs alone
            "seconds": sum(one.seconds for one in bench.made),
            "shares": bench.shares(),
        }
        self.study.tell(claim, value, facts | ({"error": error} if error else {}))
        return error

    def trials(self) -> list[Trial]:
        """All trials that ended."""
        return [self._trial(one) for one in self.study.trials() if one.state.is_finished()]

    def commands(self, best: Trial) -> dict[str, dict[str, Value]]:
        """The flags of a trial's commands, for the nightly lake."""
        return flags_of({**self.fixed, **best.setting})

    def clear(self, kept: Sequence[str]) -> int:
        """Delete towers and negatives of the study but those named; returns the bytes. Measures stay."""
        freed = 0
        for root in self.folder.iterdir():
            if root.name.startswith(("towers-", "negatives-")) and root.name not in kept:
                freed += sum(
                    file.lstat().st_size for file in root.rglob("*") if file.is_file() and not file.is_symlink()
                )
                shutil.rmtree(root)
        return freed

    def _stages(self, bench: Bench, claim: Claim) -> dict[str, list[Made]]:
        """Train and judge, seed by seed: stage -> measures, one for each seed."""
        flags = flags_of({**self.fixed, **claim.setting})
        found: dict[str, list[Made]] = {stage: [] for stage in self.question.stages.split(",")}
        for seed in range(self.question.seed, self.question.seed + self.question.seeds):
            first = bench.towers("in_batch", {**flags["in_batch"], "seed": seed})
            found["in_batch"].append(bench.measures(first))
            if "star" in found:
                mined = bench.negatives({**flags["negatives"], "seed": seed}, first)
                second = bench.towers("star", {**flags["star"], "seed": seed}, first, mined)
                found["star"].append(bench.measures(second))
        return found

    def _worth(self, made: Mapping[str, Sequence[tuple[str, str]]]) -> float:
        """Mean over seeds of the objective, of the last stage's towers on the first split."""
        split = self.question.splits.split(",")[0]
        last = made["star" if "star" in made else "in_batch"]
        told = [facts_of(self.folder / root, name)["splits"][split]["all"] for root, name in last]
        return sum(float(one[self.question.objective][0]) for one in told) / len(told)

    def _trial(self, one: FrozenTrial) -> Trial:
        kept = one.user_attrs
        return Trial(
            number=one.number,
            point=kept["point"],
            setting=parse_point(kept["point"], self.study.plan.dimensions),
            state=one.state.name.lower(),
            objective=float(one.value) if one.value is not None else float("nan"),
            error=kept.get("error", ""),
            seconds=float(kept.get("seconds", 0.0)),
            made=json.loads(kept["made"]),
            roots=kept["roots"],
            shares=kept.get("shares", {}),
        )


def _place(made: Made) -> tuple[str, str]:
    return made.root.name, str(made.partition)


def _track(tracked: MlflowRun, claim: Claim, value: float, objective: str) -> None:
    for name, setting in claim.setting.items():
        tracked.client.log_param(tracked.id, name, setting)
    tracked.measures({objective: value})


@contextmanager
def _parent(run_id: str) -> Iterator[None]:
    """Make mlflow_runs begun within, here and in commands, children of this one."""
    before = os.environ.get("NIGHTSHELF_PARENT_RUN")
    os.environ["NIGHTSHELF_PARENT_RUN"] = run_id
    try:
        yield
    finally:
        del os.environ["NIGHTSHELF_PARENT_RUN"]
        if before is not None:
            os.environ["NIGHTSHELF_PARENT_RUN"] = before
