"""R@K and RR@K of towers in training, against exact search: a dial, not the evaluation."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from models.batches import Known


def recall_and_rr(
    queries: NDArray[np.float32],
    query_rows: NDArray[np.int64],
    items: NDArray[np.float32],
    item_rows: NDArray[np.int64],
    relevant: Known,
    cutoff: int = 60,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R@cutoff [Q] and RR@cutoff [Q]; each query must have a relevant item.

    queries [Q, D] are the vectors of query_rows [Q], items [N, D] those of item_rows [N], which
    hold every relevant item of these queries.
    """
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(np.ascontiguousarray(items))
    found = index.search(np.ascontiguousarray(queries), min(cutoff, len(items)))[1]
    found = item_rows[found]
    hit = relevant.contains(np.repeat(query_rows[:, None], found.shape[1], axis=1), found)
    recall = hit.sum(axis=1) / relevant.counts(query_rows)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.inf)
    return recall, 1.0 / first


def surely_better(new: NDArray[np.float64], old: NDArray[np.float64]) -> bool:
    """Whether the mean gain over the same queries exceeds its standard error.

    Recall on a few hundred noisy clicks moves by itself; towers that stand are not given up for that.
    """
    gain = new - old
    return bool(gain.mean() > gain.std() / np.sqrt(max(1, len(gain))))
