"""A study of trials in Optuna's storage: several workers share it, and a killed one is taken over.

What is being worked on holds an operating-system lock, which a killed process lets go; its trial is then begun again,
and goes on from what it had already published. A trial that ended, well or not, is not begun twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import optuna
from optuna import distributions
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from jobs.experiments.flags import Value
from jobs.experiments.search_space import Dimension, grid, parse_point, point_name
from jobs.platform.tracking import home

log = logging.getLogger(__name__)
SAMPLERS = ("grid", "random", "tpe")
NEXT = "next"  # the point that the sampler has yet to choose
BUSY_S = 60  # SQLite has one writer at a time


@dataclass(frozen=True)
class Plan:
    """What a study asks: a study of the same name that asked something else is another study."""

    dimensions: Sequence[Dimension]
    sampler: str
    trials: int
    seed: int
    question: Mapping[str, Any]


@dataclass
class Claim:
    """A trial that this process works on; its lock is held until it is told."""

    trial: optuna.Trial
    point: str
    setting: dict[str, Value]
    lock: IO[str]


class Study:
    """The trials of one study."""

    def __init__(self, name: str, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.plan = name, plan
        self.folder = home() / "sweeps" / name.replace("/", ",")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            url = f"sqlite:///{home()}/optuna.db"
            storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY_S}})
            self.optuna = optuna.create_study(
                storage=storage, study_name=name, direction="maximize", load_if_exists=True
            )
            self._same_question()

    def claim(self, point: str = "", again: Container[str] = ()) -> Claim | None:
        """Take the next trial, or the one of this point; None where nothing is left to do.

        again: points to begin anew although they failed. One given by name is begun anew too.
        """
        with self._alone():
            left = self._let_go()
            begun = {one.user_attrs["point"]: one.state for one in self.trials()}
            failed = [
                name for name, state in begun.items() if state == TrialState.FAIL and (name == point or name in again)
            ]
            left += failed
            begun = {name: state for name, state in begun.items() if name not in failed}
            setting = self._next(point, begun, left)
            if setting is None:
                return None
            if setting:
                self.optuna.enqueue_trial(setting)
            trial = self._ask()
            lock = self._lock_of(trial.number).open("w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            name = self._point(trial)
            trial.set_user_attr("point", name)
            return Claim(trial, name, parse_point(name, self.plan.dimensions), lock)

    def tell(self, claim: Claim, value: float | None, facts: Mapping[str, object]) -> None:
        """End a trial: with its objective, or with None and an `error` among the facts."""
        with self._alone():
            for name, fact in facts.items():
                claim.trial.set_user_attr(name, fact)
            state = TrialState.FAIL if value is None else TrialState.COMPLETE
            self.optuna.tell(claim.trial, value, state=state)
            claim.lock.close()

    def trials(self) -> list[FrozenTrial]:
        """The last trial of each point, in order; those that a killed worker left are not among them."""
        found = {
            one.user_attrs["point"]: one
            for one in self.optuna.get_trials(deepcopy=False)
            if "point" in one.user_attrs and (one.state != TrialState.FAIL or "error" in one.user_attrs)
        }
        return sorted(found.values(), key=lambda one: one.number)

    def points(self) -> list[str]:
        """What is still to be done: points by name, NEXT where the sampler has yet to choose."""
        ended = {one.user_attrs["point"] for one in self.trials() if one.state.is_finished()}
        if self.plan.sampler == "grid":
            return [name for one in grid(self.plan.dimensions) if (name := point_name(one)) not in ended]
        return [NEXT] * max(0, self.plan.trials - len(ended))

    def remember(self, name: str, value: str) -> None:
        """Keep a word with the study."""
        self.optuna.set_user_attr(name, value)

    def recall(self, name: str) -> str:
        """The word kept under this name; empty when there is none."""
        return str(self.optuna.user_attrs.get(name, ""))

    def _next(self, point: str, begun: Container[str], left: list[str]) -> dict[str, Value] | None:
        """The setting to begin; empty where the sampler shall choose, None where there is none."""
        names = [point] if point else left
        if self.plan.sampler == "grid" and not point:
            names = [point_name(one) for one in grid(self.plan.dimensions)]
        for name in names:
            if name not in begun:
                return parse_point(name, self.plan.dimensions)
        if point or self.plan.sampler == "grid" or len(self.trials()) >= self.plan.trials:
            return None
        return {}

    def _let_go(self) -> list[str]:
        """End trials whose worker is gone; returns their points."""
        running = self.optuna.get_trials(states=(TrialState.RUNNING,))
        waiting = self.optuna.get_trials(states=(TrialState.WAITING,))
        gone: list[FrozenTrial | optuna.Trial] = [one for one in running if self._free(one.number)]
        # one that was put in line and not taken up: the next to ask would get it
        gone += [self._ask() for _ in waiting]
        for one in gone:
            log.warning("trial %d was left by a worker that is gone", one.number)
            self.optuna.tell(one.number, state=TrialState.FAIL)
        return [self._point(one) for one in gone if len(one.params) == len(self.plan.dimensions)]

    def _ask(self) -> optuna.Trial:
        # a sampler anew for each trial, or every worker would draw the same
        seed = self.plan.seed + len(self.optuna.get_trials(deepcopy=False))
        tpe = self.plan.sampler == "tpe"
        samplers = optuna.samplers
        self.optuna.sampler = (samplers.TPESampler if tpe else samplers.RandomSampler)(seed=seed)
        return self.optuna.ask({one.name: _distribution(one) for one in self.plan.dimensions})

    def _point(self, trial: optuna.Trial | FrozenTrial) -> str:
        return point_name({one.name: trial.params[one.name] for one in self.plan.dimensions})

    def _free(self, number: int) -> bool:
        with self._lock_of(number).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def _lock_of(self, number: int) -> Path:
        return self.folder / f"trial-{number}.lock"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time looks and takes."""
        with (self.folder / "study.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _same_question(self) -> None:
        asked = json.dumps(self.plan.question, sort_keys=True)
        known = self.recall("question")
        if known and known != asked:
            before, now = json.loads(known), json.loads(asked)
            changed = [name for name in now if before.get(name) != now[name]]
            raise ValueError(
                f"{self.name}: this study asked something else before: {', '.join(changed)}"
                f" ({before.get(changed[0])!r}, now {now[changed[0]]!r}); give the study another name"
            )
        if not known:
            self.remember("question", asked)


def _distribution(one: Dimension) -> distributions.BaseDistribution:
    if one.values:
        return distributions.CategoricalDistribution(one.values)
    if one.whole:
        return distributions.IntDistribution(int(one.low), int(one.high), log=one.log)
    return distributions.FloatDistribution(one.low, one.high, log=one.log)
