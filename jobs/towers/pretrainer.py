"""The loop around pre-training: an exam after every epoch, early stopping, the best epoch, checkpoints, curves."""

from __future__ import annotations

import logging
import time

import pyarrow as pa
from torch import Tensor

from jobs.lake.fault import fault_point
from jobs.platform.progress import progress
from jobs.platform.tracking import MlflowRun
from jobs.towers.checkpoints import Checkpoint
from jobs.towers.corpus import Corpus
from models.pretraining.fit import Step, Training, fit
from models.pretraining.mlm import judge, judge_unigrams, make_exam

log = logging.getLogger(__name__)
TRACK_EVERY_S = 5.0
MAX_POINTS = 20_000  # of the curves; a longer training keeps every second step, or third, ...


class Pretrainer:
    """Runs a Training to its best epoch. After `run`, the model holds the best epoch's weights."""

    def __init__(
        self,
        training: Training,
        corpus: Corpus,
        checkpoint: Checkpoint,
        tracked: MlflowRun,
        patience: int,
        checkpoint_s: float,
    ) -> None:
        plan = training.plan
        self.training, self.checkpoint, self.tracked = training, checkpoint, tracked
        self.corpus = corpus
        self.exam = make_exam(training.masker, corpus.dev, plan.batch_tokens, plan.seed)
        self.patience, self.checkpoint_s = patience, checkpoint_s
        self.points: list[dict[str, float]] = []
        self.start: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.best_tensors: dict[str, Tensor] = {}
        self.worse = 0
        self.pieces, self.area = 0, 0.0
        self.saved_at = self.tracked_at = time.monotonic()

    def run(self) -> dict[str, float]:
        """Train until the plan's end or until the dev loss stops falling; returns figures of the best epoch."""
        if not self._resume():
            self.start = {f"start_{name}": value for name, value in self._examine(0).items()}
        training = self.training
        with progress("pretrain", training.total, "steps") as advance:
            advance(training.done)
            for step in fit(training):
                said = f"epoch {step.epoch + 1} loss {step.loss:.3f} {step.pieces_per_s:,.0f} pieces/s"
                advance(1, said)
                self._keep(step)
                if step.ends_epoch:
                    self._judge(step.epoch + 1)
                    if self.worse >= self.patience:
                        log.info("dev loss has not fallen for %d epochs: it ends", self.worse)
                        break
                self._save()
                fault_point("pretrain.step")
        training.model.load_state_dict(self.best_tensors)
        training.model.eval()
        return self._figures()

    def _figures(self) -> dict[str, float]:
        """The best epoch's exam, beside what a guess by frequency alone would have been."""
        found = {
            **self.start,
            **self.best,
            "items": self.corpus.items,
            "queries": self.corpus.queries,
            "pieces_seen": self.pieces,
            "padded_frac": self.padded_frac,
        }
        if not self.exam:
            log.warning("no text to examine with: the last epoch is kept, the best or not")
            return found
        guess = judge_unigrams(self.corpus.counts, self.exam)
        if self.best["dev_accuracy"] <= guess.accuracy:
            log.warning(
                "accuracy %.4f is no better than a guess by frequency, %.4f: train longer, or with another lr",
                self.best["dev_accuracy"],
                guess.accuracy,
            )
        bar = {"unigram_loss": guess.loss, "unigram_accuracy": guess.accuracy}
        self.tracked.measures(bar, self.training.done)
        return found | bar

    @property
    def padded_frac(self) -> float:
        """Share of padding in all that was computed."""
        return 1.0 - self.pieces / self.area if self.area else 0.0

    def curves(self) -> pa.Table:
        """One row per step; dev_loss and dev_accuracy on the last of an epoch."""
        # without pieces_per_s, which MLflow has: the same training makes the same file
        names = ("step", "epoch", "loss", "accuracy", "lr", "padded_frac", "dev_loss", "dev_accuracy")
        columns = {name: [point.get(name) for point in self.points] for name in names}
        return pa.table({name: pa.array(column, pa.float64()) for name, column in columns.items()})

    def _keep(self, step: Step) -> None:
        self.pieces += step.pieces
        self.area += step.pieces / (1.0 - step.padded_frac)
        point = {
            "step": step.number,
            "epoch": step.epoch + 1,
            "loss": step.loss,
            "lr": step.lr,
            "accuracy": step.accuracy,
            "padded_frac": step.padded_frac,
        }
        if step.ends_epoch or step.number % (1 + self.training.total // MAX_POINTS) == 0:
            self.points.append(point)
        if time.monotonic() - self.tracked_at >= TRACK_EVERY_S or step.ends_epoch:
            self.tracked_at = time.monotonic()
            shown = {name: point[name] for name in ("loss", "accuracy", "lr")}
            shown |= {"pieces_per_s": step.pieces_per_s, "padded_frac": self.padded_frac}
            self.tracked.measures(shown, step.number)

    def _judge(self, epoch: int) -> None:
        """Examine the epoch; keep its weights if they are the best so far."""
        found = self._examine(epoch)
        self.points[-1].update(found)
        if self.best and found and found["dev_loss"] >= self.best["dev_loss"]:
            self.worse += 1
            return
        self.best = {"best_epoch": float(epoch), **found}
        tensors = self.training.model.state_dict()
        self.best_tensors = {name: one.detach().clone() for name, one in tensors.items()}
        self.worse = 0

    def _examine(self, epoch: int) -> dict[str, float]:
        """Loss and accuracy on the dev texts; empty where there is none."""
        if not self.exam:
            return {}
        exam = judge(self.training.model, self.exam, self.training.plan.precision)
        log.info("epoch %d: dev loss %.4f, accuracy %.4f", epoch, exam.loss, exam.accuracy)
        found = {"dev_loss": exam.loss, "dev_accuracy": exam.accuracy}
        self.tracked.measures(found, self.training.done)
        return found

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
                "pieces": self.pieces,
                "area": self.area,
                "start": self.start,
            }
        )
        self.saved_at = time.monotonic()

    def _resume(self) -> bool:
        state = self.checkpoint.read()
        if not state:
            return False
        self.training.restore(state["training"])  # type: ignore[arg-type]
        self.points, self.best = state["points"], state["best"]  # type: ignore[assignment]
        self.best_tensors, self.worse = state["best_tensors"], state["worse"]  # type: ignore[assignment]
        self.pieces, self.area = state["pieces"], state["area"]  # type: ignore[assignment]
        self.start = state["start"]  # type: ignore[assignment]
        log.info("going on from step %d of %d", self.training.done, self.training.total)
        return True
