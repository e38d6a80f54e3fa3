"""Where a neighbour list ends: at the knee of its scores, at a similarity threshold, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("none", "threshold", "knee")


@dataclass(frozen=True)
class Cutoff:
    """A rule that ships in the bundle.

    kind: none keeps all, threshold keeps scores >= value, knee cuts each list at its own knee.
    min_items: no list gets shorter than this while it has that many.
    """

    kind: str = "none"
    value: float = 0.0
    min_items: int = 10

    def __post_init__(self) -> None:
        """Refuse an unknown rule.

        Raises:
            ValueError: kind is not one of KINDS.
        """
        if self.kind not in KINDS:
            raise ValueError(f"cut-off {self.kind!r} is not one of {', '.join(KINDS)}")

    def lengths(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count the items to keep per list; scores [Q, K] falling, -inf past the end."""
        present: NDArray[np.int64] = np.isfinite(scores).sum(axis=1)
        if self.kind == "none":
            return present
        if self.kind == "threshold":
            wanted = (scores >= self.value).sum(axis=1)
        else:
            wanted = knees(scores) + 1
        kept: NDArray[np.int64] = np.minimum(present, np.maximum(wanted, self.min_items))
        return kept


def knees(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of the knee of each falling list of scores [Q, K], from 0; -inf past a list's end.

    The knee is where the curve, scaled to the unit square, lies farthest below the straight line
    from its first point to its last: the Kneedle difference curve without smoothing. A straight or
    bulging list has no knee: its last place is given. Source: Satopaa et al., 2011.
    """
    present = np.isfinite(scores).sum(axis=1)
    last = np.maximum(present - 1, 0)
    first_score = scores[:, 0]
    last_score = np.take_along_axis(scores, last[:, None], axis=1)[:, 0]
    fall = np.where(present > 1, first_score - last_score, 0.0)
    safe = np.where(fall > 0, fall, 1.0)
    across = np.arange(scores.shape[1]) / np.maximum(last, 1)[:, None]
    down = (first_score[:, None] - np.where(np.isfinite(scores), scores, np.nan)) / safe[:, None]
    bend = np.nan_to_num(down - across, nan=-1.0)
    deepest: NDArray[np.int64] = bend.argmax(axis=1)
    bent = (fall > 0) & (bend.max(axis=1) > 1e-6)
    return np.where(bent, deepest, last)


def fit_threshold(
    scores: NDArray[np.float32], relevant: NDArray[np.bool_], keep_frac: float = 0.98
) -> Cutoff:
    """Find the highest threshold that keeps this share of the relevant items retrieved.

    scores and relevant [Q, K] of development queries. With no relevant item there is nothing to
    fit, and nothing is cut.
    """
    found = np.sort(scores[relevant & np.isfinite(scores)])
    if not len(found):
        return Cutoff()
    # the small share below the threshold is lost; rounding down keeps at least keep_frac
    place = int(np.floor(len(found) * (1 - keep_frac)))
    return Cutoff("threshold", float(found[place]))
