"""The loop around training: early stopping, the best epoch, checkpoints, curves, progress."""

from __future__ import annotations

import logging
import time

import numpy as np
import pyarrow as pa
from torch import Tensor

from jobs.lake.fault import fault_point
from jobs.platform.progress import progress
from jobs.platform.tracking import MlflowRun
from jobs.towers.checkpoints import Checkpoint
from jobs.towers.dev_evaluation import CUTOFF, Judge, Values
from models.evaluation.recall import surely_better
from models.training.fit import Step, Training, fit

log = logging.getLogger(__name__)
TRACK_EVERY_S = 5.0
FLAT = 0.01  # an epoch that raises R@60 by a smaller share than this has brought no more
FIGURES = ("loss", "lr", "temperature", "padding_frac", "mean_cosine", "effective_rank")


class Trainer:
    """Runs a Training to its best epoch. After `run`, the towers hold the best epoch's weights."""

    def __init__(
        self,
        training: Training,
        judge: Judge,
        checkpoint: Checkpoint,
        tracked: MlflowRun,
        patience: int,
        checkpoint_s: float,
    ) -> None:
        self.training, self.checkpoint, self.tracked = training, checkpoint, tracked
        self.judge, self.patience, self.checkpoint_s = judge, patience, checkpoint_s
        self.points: list[dict[str, float]] = []
        self.judged: list[float] = []  # dev R@60 of each epoch
        self.best: dict[str, float] = {}
        self.best_tensors: dict[str, Tensor] = {}
        self.worse = 0
        self.standing: Values = np.zeros(0)  # recall of each dev query with the towers gone on from
        self.saved_at = self.tracked_at = time.monotonic()

    def run(self, measure_first: bool) -> dict[str, float]:
        """Train until the plan's end or until dev recall stops rising; returns the best epoch's measures.

        measure_first: towers that stand are epoch 0, and stay unless an epoch betters them by more
        than chance would.
        """
        training = self.training
        training.team.told(self._resume())
        if measure_first and not self.best_tensors:
            self._judge(epoch=0)
        with progress("towers", training.total, "steps") as advance:
            advance(training.done)
            for step in fit(training):
                note = f"epoch {step.epoch + 1} loss {step.loss:.3f} {step.pairs_per_s:,.0f} pairs/s"
                advance(1, note)
                self._keep(step)
                if step.ends_epoch:
                    self._judge(step.epoch + 1)
                    if training.team.told(self.worse >= self.patience):
                        log.info("dev R@60 has not risen for %d epochs: training ends", self.worse)
                        break
                self._save()
                fault_point("towers.step")
        training.towers.load_tensors(self.best_tensors)
        training.towers.eval()
        return self.best

    @property
    def plateau(self) -> bool:
        """Whether more epochs would have brought no more: the last one judged brought next to nothing."""
        if len(self.judged) < 2:
            return False
        return self.judged[-1] <= max(self.judged[:-1]) * (1 + FLAT)

    def curves(self) -> pa.Table:
        """One row per step; R@60 and RR@60 of dev queries on the last of an epoch."""
        # without pairs_per_s, which MLflow has: the same training makes the same file
        names = ("step", "epoch", *FIGURES, f"R@{CUTOFF}", f"RR@{CUTOFF}")
        columns = {name: [point.get(name) for point in self.points] for name in names}
        return pa.table({name: pa.array(column, pa.float64()) for name, column in columns.items()})

    def _keep(self, step: Step) -> None:
        point = {
            "step": step.number,
            "epoch": step.epoch + 1,
            "loss": step.loss,
            "lr": step.lr,
            "temperature": step.temperature,
            "padding_frac": step.padding_frac,
        }
        if step.spread is not None:
            point["mean_cosine"] = step.spread.mean_cosine
            point["effective_rank"] = step.spread.effective_rank
        self.points.append(point)
        if time.monotonic() - self.tracked_at >= TRACK_EVERY_S or step.ends_epoch:
            self.tracked_at = time.monotonic()
            shown = {name: point[name] for name in FIGURES if name in point}
            self.tracked.measures({**shown, "pairs_per_s": step.pairs_per_s}, step.number)

    def _judge(self, epoch: int) -> None:
        """Measure the epoch; keep its weights if they are the best so far."""
        with self.training.judged_weights():
            recall, rr = self.judge(self.training.towers)
            found = {f"R@{CUTOFF}": float(recall.mean()), f"RR@{CUTOFF}": float(rr.mean())}
            if not len(recall):
                found = {}
            if self._is_best(epoch, recall):
                self.best = {"best_epoch": float(epoch), **found}
                tensors = self.training.towers.state()[2]
                self.best_tensors = {name: one.detach().clone() for name, one in tensors.items()}
                self.worse = 0
            else:
                self.worse += 1
        self.judged.append(found.get(f"R@{CUTOFF}", -1.0))
        log.info("epoch %d: dev %s", epoch, ", ".join(f"{n} {v:.4f}" for n, v in found.items()))
        if self.points:
            self.points[-1].update(found)
        self.tracked.measures(found, self.training.done)

    def _is_best(self, epoch: int, recall: Values) -> bool:
        if epoch == 0:
            self.standing = recall
        elif len(recall) and len(self.standing) and not surely_better(recall, self.standing):
            return False
        return not len(recall) or float(recall.mean()) > self.best.get(f"R@{CUTOFF}", -1.0)

    def _save(self) -> None:
        if time.monotonic() - self.saved_at < self.checkpoint_s:
            return
        self.checkpoint.write(
            {
                "training": self.training.state(),
                "points": self.points,
                "best": self.best,
                "best_tensors": self.best_tensors,
                "worse": self.worse,
                "judged": self.judged,
                "standing": self.standing.tolist(),
            }
        )
        self.saved_at = time.monotonic()

    def _resume(self) -> dict[str, object]:
        state = self.checkpoint.read()
        if not state:
            return {}
        self.training.restore(state["training"])  # type: ignore[arg-type]
        self.points, self.best = state["points"], state["best"]  # type: ignore[assignment]
        self.best_tensors = state["best_tensors"]  # type: ignore[assignment]
        self.worse, self.judged = state["worse"], state["judged"]  # type: ignore[assignment]
        self.standing = np.array(state["standing"], np.float64)
        log.info("going on from step %d of %d", self.training.done, self.training.total)
        return state["training"]  # type: ignore[return-value]


def follow(training: Training) -> None:
    """What every process but the first does: train along until the first one says it is enough."""
    nothing: dict[str, object] = {}
    if state := training.team.told(nothing):
        training.restore(state)
    for step in fit(training):
        if step.ends_epoch and training.team.told(False):
            break
