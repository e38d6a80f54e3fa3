"""The loop around training: dev recall, early stopping, the best epoch, checkpoints, curves, progress."""

from __future__ import annotations

import logging
import time

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from jobs.training.checkpoints import Checkpoint
from jobs.fault import fault_point
from jobs.training.learning import Learning
from jobs.progress import progress
from jobs.tracking import MlflowRun
from models.encode import TOKEN_BUDGET, encode_store
from models.fit import Step, Training, fit
from models.recall import recall_and_rr

log = logging.getLogger(__name__)
CUTOFF = 60
DEV_QUERIES, DEV_ITEMS = 4_000, 500_000  # beyond these a seeded sample is searched
TRACK_EVERY_S = 5.0


class Trainer:
    """Runs a Training to its best epoch. After `run`, the towers hold the best epoch's weights."""

    def __init__(
        self,
        training: Training,
        learning: Learning,
        checkpoint: Checkpoint,
        tracked: MlflowRun,
        patience: int,
        checkpoint_s: float,
    ) -> None:
        self.training, self.checkpoint, self.tracked = training, checkpoint, tracked
        self.patience, self.checkpoint_s = patience, checkpoint_s
        self.dev_queries, self.dev_items = _dev_rows(learning)
        self.points: list[dict[str, float]] = []
        self.best: dict[str, float] = {}
        self.best_tensors: dict[str, Tensor] = {}
        self.worse, self.bar = 0, -1.0
        self.saved_at = self.tracked_at = time.monotonic()

    def run(self, measure_first: bool) -> dict[str, float]:
        """Train until the plan's end or until dev recall stops rising; returns the best epoch's measures.

        measure_first: towers that stand are epoch 0, and stay unless an epoch betters them.
        """
        if not self._resume() and measure_first:
            self._judge(epoch=0)
        training = self.training
        with progress("towers", training.total, "steps") as advance:
            advance(training.done)
            for step in fit(training):
                advance(
                    1,
                    f"epoch {step.epoch + 1} loss {step.loss:.3f} {step.pairs_per_s:,.0f} pairs/s",
                )
                self._keep(step)
                if step.ends_epoch:
                    self._judge(step.epoch + 1)
                    if self.worse >= self.patience:
                        log.info("dev R@60 has not risen for %d epochs: training ends", self.worse)
                        break
                self._save()
                fault_point("towers.step")
        training.towers.load_tensors(self.best_tensors)
        training.towers.eval()
        return self.best

    def curves(self) -> pa.Table:
        """One row per step; R@60 and RR@60 of dev queries on the last of an epoch."""
        # without pairs_per_s, which MLflow has: the same training makes the same file
        names = ("step", "epoch", "loss", "lr", f"R@{CUTOFF}", f"RR@{CUTOFF}")
        columns = {name: [point.get(name) for point in self.points] for name in names}
        return pa.table({name: pa.array(column, pa.float64()) for name, column in columns.items()})

    def _keep(self, step: Step) -> None:
        point = {"step": step.number, "epoch": step.epoch + 1, "loss": step.loss, "lr": step.lr,
                 "pairs_per_s": step.pairs_per_s}  # fmt: skip
        self.points.append(point)
        if time.monotonic() - self.tracked_at >= TRACK_EVERY_S or step.ends_epoch:
            self.tracked_at = time.monotonic()
            self.tracked.measures({n: point[n] for n in ("loss", "lr", "pairs_per_s")}, step.number)

    def _judge(self, epoch: int) -> None:
        """Measure the epoch; keep its weights if they are the best so far."""
        found = self._dev_measures()
        log.info("epoch %d: dev %s", epoch, ", ".join(f"{n} {v:.4f}" for n, v in found.items()))
        if self.points:
            self.points[-1].update(found)
        self.tracked.measures(found, self.training.done)
        if not found or found[f"R@{CUTOFF}"] > self.bar:
            self.bar = found.get(f"R@{CUTOFF}", -1.0)
            self.best = {"best_epoch": float(epoch), **found}
            tensors = self.training.towers.state()[2]
            self.best_tensors = {name: one.detach().clone() for name, one in tensors.items()}
            self.worse = 0
        else:
            self.worse += 1

    def _dev_measures(self) -> dict[str, float]:
        """Means over the dev queries; empty where there is none."""
        if not len(self.dev_queries):
            return {}
        towers, examples = self.training.towers, self.training.examples
        queries, items = examples.queries.take(self.dev_queries), examples.items
        if len(self.dev_items) < len(items):
            items = items.take(self.dev_items)
        recall, rr = recall_and_rr(
            encode_store(towers.forward_queries, queries, TOKEN_BUDGET, towers),
            self.dev_queries,
            encode_store(towers.forward_items, items, TOKEN_BUDGET, towers),
            self.dev_items,
            examples.known,
            CUTOFF,
        )
        return {f"R@{CUTOFF}": float(recall.mean()), f"RR@{CUTOFF}": float(rr.mean())}

    def _save(self) -> None:
        if time.monotonic() - self.saved_at < self.checkpoint_s:
            return
        self.checkpoint.write({
            "training": self.training.state(), "points": self.points, "best": self.best,
            "best_tensors": self.best_tensors, "worse": self.worse, "bar": self.bar,
        })  # fmt: skip
        self.saved_at = time.monotonic()

    def _resume(self) -> bool:
        state = self.checkpoint.read()
        if not state:
            return False
        self.training.restore(state["training"])  # type: ignore[arg-type]
        self.points, self.best = state["points"], state["best"]  # type: ignore[assignment]
        self.best_tensors = state["best_tensors"]  # type: ignore[assignment]
        self.worse, self.bar = state["worse"], state["bar"]  # type: ignore[assignment]
        log.info("going on from step %d of %d", self.training.done, self.training.total)
        return True


def _dev_rows(learning: Learning) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queries to search and items to search in: everything, or a seeded sample with all positives."""
    rng = np.random.default_rng(0)
    of_dev = learning.of_split("dev")
    queries = np.unique(learning.pair_query[of_dev])
    if not len(queries):
        log.warning("no pair of split dev: the last epoch is kept, whether it is the best or not")
    if len(queries) > DEV_QUERIES:
        queries = np.sort(rng.choice(queries, DEV_QUERIES, replace=False))
    items = np.arange(len(learning.item_texts))
    if len(items) > DEV_ITEMS:
        relevant = learning.pair_item[np.isin(learning.pair_query, queries)]
        items = np.union1d(rng.choice(items, DEV_ITEMS, replace=False), relevant)
    return queries, items
