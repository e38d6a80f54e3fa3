"""Labels of a list: what people did with an item, over how often they looked at it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ListLabels(NamedTuple):
    """label, weight [n] from 0 to 1; position [n]: mean place at which people saw the item, 0 where they did not."""

    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    position: NDArray[np.int32]


def list_labels(
    listed: NDArray[np.int64],
    rows: NDArray[np.int64],
    value: NDArray[np.float64],
    examined: NDArray[np.float64],
    position: NDArray[np.int32],
    prior: float,
    unseen_weight: float,
    of_best: bool,
) -> ListLabels:
    """Labels of the items listed [n], from what is known of rows [m], which rise.

    A rate is value / (examined + prior): an item that one person saw says little. of_best: labels are shares of the
    list's best rate, because NDCG compares items of one list alone. The weight of a label is
    examined / (examined + prior); of an item that nobody saw, `unseen_weight`.
    """
    label, weight = np.zeros(len(listed)), np.full(len(listed), unseen_weight)
    place = np.zeros(len(listed), np.int32)
    if len(rows):
        at = np.searchsorted(rows, listed).clip(max=len(rows) - 1)
        known = (rows[at] == listed) & (examined[at] > 0)
        sure = examined[at] + prior
        label[known] = (value[at] / np.maximum(sure, 1e-12))[known]
        weight[known] = np.maximum(examined[at] / np.maximum(sure, 1e-12), unseen_weight)[known]
        place[known] = position[at][known]
    if of_best and label.any():
        label /= label.max()
    return ListLabels(label.clip(0, 1).astype(np.float32), weight.astype(np.float32), place)
