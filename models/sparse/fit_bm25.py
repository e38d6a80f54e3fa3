"""BM25's k1 and b, chosen on judged development queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fusion.fit_fusion import FIT_DEPTH, judged_of, worths
from models.sparse.bm25 import K1, B, Counts

# titles are short and repeat no word: less of both than the usual is often better for them
K1S = (0.3, 0.6, K1, 2.0)
BS = (0.0, 0.25, 0.5, B)
GRID = sorted(((k1, b) for k1 in K1S for b in BS), key=lambda pair: pair != (K1, B))


def fit_bm25(counts: Counts, queries: Sequence[str], relevant: NDArray[np.int64]) -> dict[str, Any]:
    """Choose k1 and b by R@60 + RR@60; the usual ones stay unless others gain more than the gain's standard error.

    relevant: query row * items + item row of every relevant item. Returns k1, b, items, queries (those
    with a relevant item), and tried: k1, b, worth, chosen.
    """
    n_items = len(counts.lengths)
    rows, judged = judged_of(relevant, n_items)
    chosen = {"k1": K1, "b": B, "items": n_items, "queries": len(rows), "tried": []}
    if not len(rows):
        return chosen
    asked = [queries[row] for row in rows.tolist()]
    worth = np.stack([worths(judged, counts.weighed(k1, b).search(asked, FIT_DEPTH)) for k1, b in GRID])
    best = _best(worth)
    tried = [
        {"k1": k1, "b": b, "worth": float(worth[row].mean()), "chosen": row == best} for row, (k1, b) in enumerate(GRID)
    ]
    return chosen | {"k1": GRID[best][0], "b": GRID[best][1], "tried": tried}


def _best(worth: NDArray[np.float64]) -> int:
    """The best row of worth [V, Q] where it betters the first, the usual one, by more than chance would."""
    best = int(np.argmax(worth.mean(axis=1)))
    gain = worth[best] - worth[0]
    # on 30 to 200 queries of a marketplace the plain maximum did worse on other queries than the usual pair
    if len(gain) > 1 and gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
        return best
    return 0
