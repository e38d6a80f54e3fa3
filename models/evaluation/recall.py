"""R@K and RR@K of towers during training, by exact search. The evaluation proper is `models.evaluation.measures`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.batches import Known

_MOST_PLACES = 1 << 20  # of a list


def recall_and_rr(
    found: NDArray[np.int64], query_rows: NDArray[np.int64], relevant: Known
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R@K [Q] and RR@K [Q] of a search; each query must have a relevant item.

    found [Q, K]: item rows, best first, -1 for none, of the queries query_rows [Q].
    """
    hit = relevant.contains(np.repeat(query_rows[:, None], found.shape[1], axis=1), found)
    recall = hit.sum(axis=1) / relevant.counts(query_rows)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.inf)
    return recall, 1.0 / first


def labelled(rows: NDArray[np.int64], equal: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each row of lists [Q, K] by equal [N], one for equal items; -1 stays."""
    numbers: NDArray[np.int64] = np.append(equal, -1)[rows]
    return numbers


def interchangeable(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each place of lists [Q, K] of labels, -1 for none: equal labels of a list are told apart by their order.

    Items of one title have one vector, and chance decides which of them a search returns. The n-th of them in one list
    has the number of the n-th in another, so `overlap` takes any of them for any other, and none twice.
    """
    order = np.argsort(labels, axis=1, kind="stable")
    ordered = np.take_along_axis(labels, order, axis=1)
    place = np.broadcast_to(np.arange(labels.shape[1]), labels.shape)
    again = np.zeros(labels.shape, np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    earlier = np.empty_like(labels)
    np.put_along_axis(earlier, order, place - np.maximum.accumulate(np.where(again, 0, place), axis=1), axis=1)
    return np.where(labels < 0, -1, labels * _MOST_PLACES + earlier)


def overlap(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact neighbours that were found, over all queries; both [Q, K], -1 for none.

    Where items may be equal, give both by `interchangeable`.
    """
    span = int(max(found.max(initial=0), exact.max(initial=0))) + 1
    first = np.arange(len(exact), dtype=np.int64)[:, None] * span
    wanted = (first + exact)[exact >= 0]
    return float(np.isin(wanted, (first + found)[found >= 0]).mean()) if len(wanted) else 0.0


def surely_better(new: NDArray[np.float64], old: NDArray[np.float64]) -> bool:
    """Whether the mean gain over the same queries exceeds its standard error.

    Recall on a few hundred noisy clicks varies by chance, and chance must not replace trained towers.
    """
    gain = new - old
    return bool(gain.mean() > gain.std() / np.sqrt(max(1, len(gain))))
