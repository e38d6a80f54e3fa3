"""The numbers of an item that rankers read: columns of `item_features`, in their order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

STATIC_SCORE = "static_score"
SUMS = tuple(f"{act}_{days}" for act in ("clicks", "carts", "purchases") for days in (1, 7, 28))
NUMBERS = (
    *SUMS,
    "examined_28",
    "click_rate",
    "price",
    "price_quantile",
    "age_days",
    "offers",
    "attributes",
    STATIC_SCORE,
)


def number_matrix(columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    """Columns by name as a matrix [N, F] in the order of NUMBERS; names that are not there are left out."""
    return np.stack([columns[name] for name in NUMBERS if name in columns], axis=1).astype(np.float32)
