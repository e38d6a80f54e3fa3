"""The trials of a study: Optuna stores what ended, and a lock of the operating system marks what is being worked on.

The system releases the lock of a killed process at once, so the next worker takes its trial over and continues with
what was already published. Optuna's own heartbeat would leave that trial untouched for its grace period, and would
give the trial of a suspended laptop away.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from jobs.experiments.search_space import Space, Value, grid, point_name
from jobs.experiments.trial_commands import held
from jobs.lake.locks import file_lock
from jobs.platform.tracking import home

SAMPLERS = ("grid", "random", "tpe")
NEXT = "next"  # the point of a trial whose setting the sampler has yet to choose
BUSY_S = 60  # SQLite has one writer at a time


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on; its lock is held until the study has the result."""

    point: str
    setting: dict[str, Value]
    lock: ExitStack


class Study:
    """One study. question: a study of this name with another question is refused, for its trials do not compare."""

    def __init__(
        self, name: str, question: Mapping[str, Any], space: Space, sampler: str, trials: int, seed: int = 0
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.space, self.sampler, self.seed = name, space, sampler, seed
        self.folder = home() / "sweeps" / name.replace("/", ",")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._grid = grid(space) if sampler == "grid" else []
        self._slots = range(len(self._grid) or trials)  # one for each trial
        with held(home() / "optuna.lock"):  # processes that meet an empty SQLite file spoil it
            storage = RDBStorage(f"sqlite:///{home()}/optuna.db", engine_kwargs={"connect_args": {"timeout": BUSY_S}})
            self.optuna = optuna.create_study(
                storage=storage, study_name=name, direction="maximize", load_if_exists=True
            )
            self._check_question(question)

    def ended(self) -> dict[str, FrozenTrial]:
        """The last result of each point, in the order of their ends."""
        trials = self.optuna.get_trials(deepcopy=False)
        # studies of older code have rows without a result, of trials that were killed
        last = {trial.user_attrs["point"]: trial for trial in trials if "made" in trial.user_attrs}
        return dict(sorted(last.items(), key=lambda item: item[1].number))

    def points(self) -> list[str]:
        """The trials still to be done: points by name, NEXT where the sampler has yet to choose."""
        ended = self.ended()
        names = [point_name(self._setting(slot)) for slot in self._slots]
        return [name if self.sampler == "grid" else NEXT for name in names if name not in ended]

    def claim(self, point: str = NEXT, again: Container[str] = ()) -> Claim | None:
        """Take the next trial, or that of a point; None where nothing is left to do.

        again: points to repeat although they failed. A point that is given by name is repeated too.
        """
        for slot in self._slots:
            with ExitStack() as lock:
                try:
                    file = lock.enter_context(file_lock(self._lock_file(slot), wait=False))
                except BlockingIOError:
                    continue
                setting = self._setting(slot) or self._draw(slot, file)
                name, ended = point_name(setting), self.ended()  # read under the lock: its worker may just have ended
                failed = name in ended and ended[name].state == TrialState.FAIL
                if point in (NEXT, name) and (name not in ended or (failed and (name == point or name in again))):
                    return Claim(name, setting, lock.pop_all())
        return None

    def record(self, claim: Claim, value: float | None, facts: Mapping[str, Any]) -> None:
        """Store the result of a trial: its objective, or None with an `error` among the facts."""
        trial = create_trial(
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            value=value,
            params=claim.setting,
            distributions=dict(self.space),
            user_attrs={"point": claim.point, **facts},
        )
        self.optuna.add_trial(trial)
        claim.lock.close()

    def remember(self, name: str, value: str) -> None:
        """Keep a text with the study."""
        self.optuna.set_user_attr(name, value)

    def recall(self, name: str) -> str:
        """The text kept under this name; empty without."""
        return str(self.optuna.user_attrs.get(name, ""))

    def _lock_file(self, slot: int) -> Path:
        return self.folder / f"trial-{slot}.lock"

    def _setting(self, slot: int) -> dict[str, Value]:
        """The setting of a slot; empty where the sampler has yet to choose."""
        if self._grid:
            return self._grid[slot]
        path = self._lock_file(slot)
        setting: dict[str, Value] = json.loads((path.read_text("utf-8") if path.is_file() else "") or "{}")
        return setting

    def _draw(self, slot: int, file: IO[str]) -> dict[str, Value]:
        """Let the sampler choose, and keep the choice in the lock's file for the worker after a killed one."""
        # in memory, and with a seed of its own: workers side by side must not draw the same
        samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
        drawing = optuna.create_study(sampler=samplers[self.sampler](seed=self.seed + slot), direction="maximize")
        drawing.add_trials([trial for trial in self.ended().values() if trial.state == TrialState.COMPLETE])
        setting: dict[str, Value] = drawing.ask(dict(self.space)).params
        json.dump(setting, file)
        file.flush()
        return setting

    def _check_question(self, question: Mapping[str, Any]) -> None:
        asked = json.dumps(question, sort_keys=True)
        known = self.recall("question")
        if known and known != asked:
            before, now = json.loads(known), json.loads(asked)
            changed = next(name for name in now if before.get(name) != now[name])
            raise ValueError(
                f"{self.name}: this study had another question before: {changed} ({before.get(changed)!r}, now "
                f"{now[changed]!r}); give the study another name"
            )
        if not known:
            self.remember("question", asked)
