"""The loop around a training: evaluation after every epoch, early stopping, the best epoch, checkpoints, curves.

Towers and prodBERT are trained by the same loop; the training (a generator of steps) and the evaluator are its
parameters. A killed training continues from its checkpoint: one file per partition under NIGHTSHELF_HOME, deleted once
the partition is published. Its tensors are safetensors and the rest is JSON in the same file; nothing unpickles.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition, trial
from jobs.platform.progress import progress
from jobs.platform.tracking import MlflowRun, home
from models.evaluation.recall import surely_better
from models.training.fit import Step, Training, fit

log = logging.getLogger(__name__)
TRACK_EVERY_S = 5.0
MAX_POINTS = 20_000  # of the curves; a longer training keeps every second step, or third, ...
FLAT_FRAC = 0.01  # an epoch that raises the score by a smaller share than this has reached the plateau
NO_GRADIENT = 1e-5  # norm below which a gradient is what rounding leaves of 0
FORMAT = "2"  # of checkpoints


@dataclass(frozen=True)
class EpochScore:
    """Result of one epoch. figures: by name, for curves and tracking.

    values: higher is better, one of each dev query, or one in all; empty where there is nothing to evaluate on.
    """

    figures: dict[str, float]
    values: NDArray[np.float64]

    @property
    def score(self) -> float:
        """The mean of the values; -1 without any."""
        return float(self.values.mean()) if len(self.values) else -1.0


class TrainingLoop:
    """Runs a training to its best epoch. After `run`, the model holds the weights of the best epoch.

    best: number and figures of the best epoch. start: figures before the first step, where they were evaluated.
    """

    def __init__(
        self,
        name: str,
        training: Training[Any],
        evaluate: Callable[[], EpochScore],
        checkpoint: Checkpoint,
        tracked: MlflowRun,
        patience: int,
        checkpoint_s: float,
    ) -> None:
        """evaluate: scores the model as it is. patience: epochs without a better one before the training ends."""
        self.name, self.training, self.evaluate = name, training, evaluate
        self.checkpoint, self.tracked = checkpoint, tracked
        self.patience, self.checkpoint_s = patience, checkpoint_s
        self.points: list[dict[str, float]] = []
        self.scores: list[float] = []  # of each epoch evaluated as a candidate
        self.start: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.best_score = -np.inf
        self.best_weights: dict[str, Tensor] = {}
        self.baseline = np.zeros(0)  # values of the weights given, where an epoch must better them
        self.epochs_without_gain = 0
        self.saved_at = self.tracked_at = time.monotonic()

    def run(self, *, evaluate_start: bool = False, keep_start: bool = False) -> None:
        """Train until the last epoch, or until the score stops rising.

        evaluate_start: record the figures of the weights given. keep_start: these weights are epoch 0, and stay
        unless an epoch is better by more than chance explains.

        Raises:
            LookupError: there is nothing to train on.
            RuntimeError: no step up to the end of an epoch had a gradient, or a weight is no finite number.
        """
        training = self.training
        if not training.total:
            raise LookupError(f"{self.checkpoint.partition}: 0 {training.unit} to train on; is split train empty?")
        if not training.group.broadcast(self._resume()):
            if keep_start:
                self._end_epoch(0)
            elif evaluate_start:
                self.start = self._evaluate(0).figures
        with progress(self.name, training.total, "steps") as advance:
            advance(training.done)
            for step in fit(training):
                per_s = f"{step.per_s:,.0f} {training.unit}/s"
                advance(1, f"epoch {step.epoch + 1} loss {step.loss:.3f} {per_s}")
                self._record(step)
                if step.ends_epoch:
                    self._end_epoch(step.epoch + 1)
                    if training.group.broadcast(self.epochs_without_gain >= self.patience):
                        log.info("no better epoch among the last %d: training ends", self.epochs_without_gain)
                        break
                self._save()
                fault_point(f"{self.name}.step")
        self._check_weights()
        training.load_weights(self.best_weights)
        training.model.eval()

    @property
    def plateau(self) -> bool:
        """Whether the last epoch brought next to nothing, so that more epochs would not either."""
        if len(self.scores) < 2:
            return False
        return self.scores[-1] <= max(self.scores[:-1]) * (1 + FLAT_FRAC)

    def curves(self, names: Sequence[str]) -> pa.Table:
        """One row per step with these figures; those of an evaluation on the last of an epoch."""
        # without per_s, which MLflow has: the same training makes the same file
        columns = {name: [point.get(name) for point in self.points] for name in ("step", "epoch", *names)}
        return pa.table({name: pa.array(column, pa.float64()) for name, column in columns.items()})

    def _record(self, step: Step) -> None:
        figures = {"loss": step.loss, "lr": step.lr, **step.figures}
        if step.ends_epoch or step.number % (1 + self.training.total // MAX_POINTS) == 0:
            self.points.append({"step": step.number, "epoch": step.epoch + 1, **figures})
        if time.monotonic() - self.tracked_at >= TRACK_EVERY_S or step.ends_epoch:
            self.tracked_at = time.monotonic()
            self.tracked.measures({**figures, f"{self.training.unit}_per_s": step.per_s}, step.number)

    def _end_epoch(self, epoch: int) -> None:
        """Evaluate the epoch; keep its weights if they are the best so far."""
        if epoch:
            self._check_gradients()
        with self.training.evaluated_weights():
            evaluation = self._evaluate(epoch)
            if self._is_best(epoch, evaluation):
                self.best = {"best_epoch": float(epoch), **evaluation.figures}
                self.best_score = evaluation.score
                self.best_weights = {name: one.detach().clone() for name, one in self.training.weights().items()}
                self.epochs_without_gain = 0
            else:
                self.epochs_without_gain += 1
        self.scores.append(evaluation.score)
        if epoch == 0:
            self.start = evaluation.figures
        if self.points:
            self.points[-1].update(evaluation.figures)

    def _check_gradients(self) -> None:
        """Refuse a training that has learnt nothing: no step had a gradient."""
        # a point of an older checkpoint has the loss alone
        if self.points and not any(point.get("grad_norm", point["loss"]) > NO_GRADIENT for point in self.points):
            raise RuntimeError(
                f"{self.checkpoint.partition}: the loss stayed {self.points[-1]['loss']:.4g} without a gradient in each of"
                f" the {self.training.done:,} steps so far, so nothing was learnt: expected negatives of the queries, that"
                " is pairs of several items with texts of their own in a batch, and weights of negatives above 0;"
                " nothing is published"
            )

    def _check_weights(self) -> None:
        """Refuse weights that are no numbers: the loss is measured before the last update."""
        wrong = [name for name, tensor in self.best_weights.items() if not torch.isfinite(tensor).all()]
        if wrong:
            raise RuntimeError(
                f"{self.checkpoint.partition}: {len(wrong)} of {len(self.best_weights)} weights hold values that are no finite"
                f" numbers, {wrong[0]} among them; lower the learning rate"
            )

    def _evaluate(self, epoch: int) -> EpochScore:
        evaluation = self.evaluate()
        figures = evaluation.figures.items()
        log.info("epoch %d: %s", epoch, ", ".join(f"{name} {value:.4f}" for name, value in figures))
        self.tracked.measures(evaluation.figures, self.training.done)
        return evaluation

    def _is_best(self, epoch: int, evaluation: EpochScore) -> bool:
        values = evaluation.values
        if epoch == 0:
            self.baseline = values
        elif len(values) and len(self.baseline) and not surely_better(values, self.baseline):
            return False
        return not len(values) or evaluation.score > self.best_score

    def _save(self) -> None:
        if time.monotonic() - self.saved_at < self.checkpoint_s:
            return
        own = {name: getattr(self, name) for name in _SAVED}
        self.checkpoint.write({**own, "training": self.training.state(), "baseline": self.baseline.tolist()})
        self.saved_at = time.monotonic()

    def _resume(self) -> dict[str, Any]:
        """Continue from the checkpoint; returns the state of the training, empty without one."""
        state = self.checkpoint.read()
        if not state:
            return {}
        self.training.restore(state["training"])
        for name in _SAVED:
            setattr(self, name, state[name])
        self.baseline = np.array(state["baseline"], np.float64)
        log.info("continuing from step %d of %d", self.training.done, self.training.total)
        training: dict[str, Any] = state["training"]
        return training


_SAVED = ("points", "scores", "start", "best", "best_score", "best_weights", "epochs_without_gain")


def follow(training: Training[Any]) -> None:
    """Train along, as every process but the first does, until the first one ends the training."""
    nothing: dict[str, Any] = {}
    if state := training.group.broadcast(nothing):
        training.restore(state)
    for step in fit(training):
        if step.ends_epoch and training.group.broadcast(False):
            break


class Checkpoint:
    """The checkpoint of a partition. key: identifies settings and inputs; a checkpoint of another key is not used."""

    def __init__(self, partition: Partition, key: str) -> None:
        self.partition = partition
        name = str(partition).replace("/", ",")
        # trials train partitions of the same name at the same time
        self.path = home() / "checkpoints" / trial() / f"{name}.safetensors"
        self.key = key

    def write(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically. state: tensors in dicts and lists, else JSON's types."""
        tensors: dict[str, Tensor] = {}
        rest = json.dumps(_split(state, tensors))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        save_file(tensors, fresh, metadata={"format": FORMAT, "key": self.key, "rest": rest})
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def read(self) -> dict[str, Any]:
        """Read the state written last; empty without one, or where it cannot be continued from."""
        if not self.path.is_file():
            return {}
        with safe_open(self.path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                log.warning("%s: written by another version of this code; training starts anew", self.path)
                return {}
            if metadata.get("key") != self.key:
                log.warning("%s: of other inputs or settings; training starts anew", self.path)
                return {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state: dict[str, Any] = _join(json.loads(metadata["rest"]), tensors)
        return state

    def remove(self) -> None:
        """Delete it, when the partition is published."""
        self.path.unlink(missing_ok=True)


def _split(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON with a placeholder for each tensor; dicts become lists of pairs, for their int keys."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _split(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, list | tuple):
        return [_split(entry, tensors) for entry in value]
    return value


def _join(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _join(entry, tensors) for key, entry in value["dict"]}
    if isinstance(value, list):
        return [_join(entry, tensors) for entry in value]
    return value
