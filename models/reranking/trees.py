"""LambdaMART by LightGBM: boosted trees that rank lists, trained from features made chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LEVELS = 30  # whole grades into which labels from 0 to 1 are rounded, as LightGBM wants them
BATCH_ROWS = 16_384  # rows of features in memory at a time


@dataclass(frozen=True)
class TreeSettings:
    """Settings of the trees. rounds: trees at most. patience: trees without a better dev nDCG@10 before training ends.

    unbiased: learn what a place adds to the label beside what the item does, from the positions given. levels: grades
    above 0; their gains are 2^(grade / levels) - 1, or LightGBM's own 2^grade - 1 where levels is 0.
    """

    rounds: int = 400
    leaves: int = 31
    lr: float = 0.05
    min_rows: int = 50
    row_frac: float = 1.0
    column_frac: float = 0.7
    patience: int = 40
    unbiased: bool = False
    levels: int = LEVELS
    truncation: int = 60
    seed: int = 0
    threads: int = 1

    def parameters(self) -> dict[str, Any]:
        """LightGBM's names. Training is the same on every run, whatever the number of threads."""
        levels = range(self.levels + 1) if self.levels else ()
        gains = {"label_gain": [2 ** (grade / self.levels) - 1 for grade in levels]}
        return {
            "objective": "lambdarank",
            "metric": "ndcg",
            "eval_at": [10],
            "num_leaves": self.leaves,
            "learning_rate": self.lr,
            "min_data_in_leaf": self.min_rows,
            "bagging_fraction": self.row_frac,
            "bagging_freq": int(self.row_frac < 1),
            "feature_fraction": self.column_frac,
            "lambdarank_truncation_level": self.truncation,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            # which features it drops beforehand differs between a matrix and blocks, and with them the trees
            "feature_pre_filter": False,
            "verbosity": -1,
            **(gains if self.levels else {}),
        }


@dataclass(frozen=True)
class TreeData:
    """Lists to train on. features: of rows start to stop, float32 [rows, F]; called in order, and at random for bins.

    grades int [N]; sizes [lists]: rows of each list; weights [N]; positions [N] int, for unbiased training.
    """

    features: Callable[[int, int], Floats]
    grades: NDArray[np.int32]
    sizes: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    positions: NDArray[np.int32] | None = None


@dataclass
class FittedTrees:
    """Trees with the number of rounds kept, and the dev nDCG@10 of each round."""

    booster: lgb.Booster
    rounds: int
    curve: list[float] = field(default_factory=list)

    def text(self) -> str:
        """LightGBM's own text form; nothing unpickles."""
        return self.booster.model_to_string(num_iteration=self.rounds)


class _Rows(lgb.Sequence):
    """Rows that LightGBM asks for: a sample for its bins one by one, then all in order, a block at a time."""

    def __init__(self, features: Callable[[int, int], Floats], count: int) -> None:
        self.features, self.count, self.batch_size = features, count, BATCH_ROWS
        self.start, self.block = -1, np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int | slice | list[int]) -> Any:
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.count)
            return self.features(start, stop).astype(np.float64)
        if isinstance(index, list):
            return np.stack([self[row] for row in index])
        start = index // BATCH_ROWS * BATCH_ROWS
        if start != self.start:  # rows are asked for in rising order
            self.start, self.block = start, self.features(start, min(start + BATCH_ROWS, self.count))
        return self.block[index - start].astype(np.float64)


def to_grades(labels: NDArray[np.floating[Any]], levels: int = LEVELS) -> NDArray[np.int32]:
    """Labels from 0 to 1 as whole grades; any above 0 is at least the first grade."""
    grades = np.rint(labels * levels).astype(np.int32)
    return np.where((labels > 0) & (grades == 0), 1, grades).astype(np.int32)


def fit_trees(train: TreeData, dev: TreeData | None, names: Sequence[str], settings: TreeSettings) -> FittedTrees:
    """Boost trees until the dev nDCG@10 stops rising, or to the last round where there is no dev."""
    parameters = settings.parameters()
    quiet()
    data = _dataset(train, names, parameters, settings.unbiased)
    if dev is None:
        return FittedTrees(lgb.train(parameters, data, settings.rounds), settings.rounds)
    curve: dict[str, Any] = {}
    booster = lgb.train(
        parameters,
        data,
        settings.rounds,
        valid_sets=[_dataset(dev, names, parameters, False, reference=data)],
        callbacks=[lgb.early_stopping(settings.patience, verbose=False), lgb.record_evaluation(curve)],
    )
    return FittedTrees(booster, booster.best_iteration, list(curve["valid_0"]["ndcg@10"]))


def _dataset(
    lists: TreeData, names: Sequence[str], parameters: dict[str, Any], unbiased: bool, reference: Any = None
) -> lgb.Dataset:
    given: dict[str, Any] = {"weight": lists.weights, "group": lists.sizes, "reference": reference}
    if unbiased:
        given["position"] = lists.positions
    rows = _Rows(lists.features, len(lists.grades))
    return lgb.Dataset(rows, lists.grades, feature_name=list(names), params=parameters, **given).construct()


def quiet() -> None:
    """Keep LightGBM's lines off standard output, from now on and for the whole process: it has one logger."""
    lgb.register_logger(_Silent())


class _Silent:
    """A logger of LightGBM's that drops what it is told; errors are raised beside it."""

    def info(self, text: str) -> None:
        """Drop a line."""

    def warning(self, text: str) -> None:
        """Drop a line."""
