"""Offline score of items: trees that expect an item's value of the next days from its numbers, without a query."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.reranking.trees import quiet

SETTINGS = {"objective": "poisson", "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 50, "seed": 0}
ROUNDS = 200
LEAST_ITEMS = 100  # fewer teach trees nothing


def fit_static_score(numbers: NDArray[np.float32], value: NDArray[np.float64], threads: int = 1) -> lgb.Booster | None:
    """Trees from numbers [N, F] of items to their value [N] of the days that followed; None for too few items.

    The value is a sum of weighed clicks, carts and purchases; late events may make it negative, which counts as 0.
    """
    value = value.clip(min=0)
    if len(value) < LEAST_ITEMS or not value.any():
        return None
    settings = {**SETTINGS, "num_threads": threads, "deterministic": True, "force_row_wise": True}
    quiet()
    return lgb.train({**settings, "verbosity": -1}, lgb.Dataset(numbers, value), ROUNDS)
