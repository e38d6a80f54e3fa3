"""False negatives: mined items that are right answers, counted where judged, else estimated, by rank."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows
from models.mining.star import MinedNegatives
from models.training.batches import JudgedItems, Known

FIRST_RANKS = (1, 11, 31, 101, 201, 501)  # of the buckets after the first, which holds the random items
BUCKETS = ("random", *(f"{low}-{high - 1}" for low, high in pairwise(FIRST_RANKS)), f"{FIRST_RANKS[-1]}-")
Counts = NDArray[np.int64]


def _none() -> Counts:
    return np.zeros(len(BUCKETS), np.int64)


@dataclass
class FalseNegativeCounts:
    """Counts by bucket of rank (random items first): mined; of these judged, and relevant; and, with a
    share of the known positives held out, mined then and held-out positives among them."""

    mined: Counts = field(default_factory=_none)
    judged: Counts = field(default_factory=_none)
    relevant: Counts = field(default_factory=_none)
    mined_blind: Counts = field(default_factory=_none)
    held_out: Counts = field(default_factory=_none)

    def count(self, mined: MinedNegatives, query: Rows, judgements: JudgedItems | None) -> None:
        """Add the negatives mined for query rows [Q]."""
        at = query[:, None]
        self.mined += by_rank(mined, mined.items >= 0)
        if judgements is not None:
            self.judged += by_rank(mined, judgements.judged.contains(at, mined.items))
            self.relevant += by_rank(mined, judgements.relevant.contains(at, mined.items))

    def count_blind(self, mined: MinedNegatives, query: Rows, held_out: Known) -> None:
        """Add the negatives mined while the held-out positives were not known."""
        self.mined_blind += by_rank(mined, mined.items >= 0)
        self.held_out += by_rank(mined, held_out.contains(query[:, None], mined.items))

    def rates(self, held_out_frac: float) -> list[dict[str, object]]:
        """One row per bucket that has any, and one of all mined, named `all`.

        relevant_of_judged: share of false negatives, exact for the judged items. relevant_of_mined: a lower bound
        of the share among all mined items; exact where every relevant item is judged. estimate: the share of
        places that held-out positives took, scaled up to all known positives. It is the share of false
        negatives if right items without a click are as many as the clicked ones and rank alike.
        """
        rows: list[dict[str, object]] = []
        every: list[tuple[str, Rows]] = [(name, np.array([i])) for i, name in enumerate(BUCKETS)]
        for name, at in [*every, ("all", np.arange(len(BUCKETS)))]:
            mined, judged, relevant = (int(counts[at].sum()) for counts in (self.mined, self.judged, self.relevant))
            blind, held = int(self.mined_blind[at].sum()), int(self.held_out[at].sum())
            if not mined and not blind:
                continue
            row: dict[str, object] = {"ranks": name, "mined": mined}
            if self.judged.any():
                row |= {"judged": judged, "relevant": relevant}
                row["relevant_of_judged"] = _share(relevant, judged)
                row["relevant_of_mined"] = _share(relevant, mined)
            if self.mined_blind.any():
                row |= {"held_out": held, "estimate": _share(held / held_out_frac, blind)}
            rows.append(row)
        return rows


def by_rank(mined: MinedNegatives, wanted: NDArray[np.bool_]) -> Counts:
    """Number of the wanted places [Q, n] in each bucket."""
    bucket = np.searchsorted(np.array(FIRST_RANKS), mined.ranks[wanted], side="right")
    return np.bincount(bucket, minlength=len(BUCKETS)).astype(np.int64)


def hold_out(query: Rows, item: Rows, frac: float, queries: int, seed: int) -> tuple[Known, Known]:
    """Known positives split at random, pair by pair: (still known, held out)."""
    out = np.random.default_rng([seed, 1]).random(len(query)) < frac
    return Known(query[~out], item[~out], queries), Known(query[out], item[out], queries)


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
