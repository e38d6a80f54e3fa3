"""Weights of hydrated vectors: fitted by Optuna on purchases, because training them with the towers fits the negatives instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray

from models.ann.hydrate import Levels, Vectors, boosts

MOST = 0.3  # of a weight: the gain in cosine from the least item of a catalogue to the greatest
MAX_TAIL_LOSS = -0.01  # gain of tail queries from which weights are used
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BoughtPools:
    """The nearest items of each query: scores [Q, P] and levels [Q, P, F]; bought [Q, P]: whether it was bought after that query.

    counts [Q]: items bought after it, in the pool or not. The place of a list that has ended has score -inf.
    """

    scores: Vectors
    levels: Levels
    bought: NDArray[np.bool_]
    counts: NDArray[np.int64]

    def recall(self, weights: Vectors, depth: int) -> Floats:
        """Share [Q] of a query's bought items in the first `depth` of its pool, ranked with these weights."""
        scores = self.scores + boosts(self.levels, weights)
        if depth >= scores.shape[1]:
            found = self.bought
        else:
            top = np.argpartition(-scores, depth, axis=1)[:, :depth]
            found = np.take_along_axis(self.bought, top, axis=1)
        share: Floats = found.sum(axis=1) / np.maximum(1, self.counts)
        return share

    def certain(self, weights: Vectors, depth: int) -> float:
        """Share of the queries whose first `depth` items are certain: no item outside of the pool can come before them."""
        if depth >= self.scores.shape[1]:
            return 1.0
        scores = self.scores + boosts(self.levels, weights)
        last = -np.partition(-scores, depth - 1, axis=1)[:, depth - 1]
        return float((last >= self.scores.min(axis=1) + np.abs(weights).sum() / 2).mean())


def fit_weights(pools: BoughtPools, depth: int, trials: int, seed: int) -> Vectors:
    """Weights [F] of the highest mean recall of what was bought; zeros where no trial is better than none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = [f"w{number}" for number in range(pools.levels.shape[2])]

    def objective(trial: optuna.Trial) -> float:
        weights = np.array([trial.suggest_float(name, -MOST, MOST) for name in names], np.float32)
        return float(pools.recall(weights, depth).mean())

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict.fromkeys(names, 0.0))
    for name in names:
        for value in (-MOST / 6, MOST / 6):
            study.enqueue_trial(dict.fromkeys(names, 0.0) | {name: value})
    study.optimize(objective, n_trials=trials)
    if study.best_value <= study.trials[0].values[0]:
        return np.zeros(len(names), np.float32)
    return np.array([study.best_params[name] for name in names], np.float32)
