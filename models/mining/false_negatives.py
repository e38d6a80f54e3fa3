"""How many of the mined negatives are right answers: counted where judged, else estimated; by rank."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows
from models.mining.star import Mined
from models.training.batches import Known

EDGES = (0, 10, 30, 100, 200, 500)
BUCKETS = ("random", *(f"{low}-{high}" for low, high in pairwise(EDGES)), "500-")
Counts = NDArray[np.int64]


def _none() -> Counts:
    return np.zeros(len(BUCKETS), np.int64)


@dataclass
class Tally:
    """Counts by bucket of rank (random fill first): mined; of these judged, and relevant; and, with a
    share of the known positives held out, mined then and held-out positives among them."""

    mined: Counts = field(default_factory=_none)
    judged: Counts = field(default_factory=_none)
    relevant: Counts = field(default_factory=_none)
    mined_blind: Counts = field(default_factory=_none)
    held_out: Counts = field(default_factory=_none)

    def count(self, mined: Mined, query: Rows, judged: Known, relevant: Known) -> None:
        """Add what is mined for query rows [Q]; judged, relevant: the judgements."""
        at = query[:, None]
        self.mined += by_rank(mined, mined.items >= 0)
        self.judged += by_rank(mined, judged.contains(at, mined.items))
        self.relevant += by_rank(mined, relevant.contains(at, mined.items))

    def count_blind(self, mined: Mined, query: Rows, held_out: Known) -> None:
        """Add what is mined when the held-out positives are not known."""
        self.mined_blind += by_rank(mined, mined.items >= 0)
        self.held_out += by_rank(mined, held_out.contains(query[:, None], mined.items))

    def rates(self, held_out_frac: float) -> list[dict[str, object]]:
        """One row per bucket that has any, and one of all mined, named `all`.

        relevant_of_judged: share of false negatives, exact for what is judged. relevant_of_mined: at
        least so many of all are; exactly so many where every relevant item is judged. estimate: the
        share of places that held-out positives took, scaled up to all known positives. It is what
        known positives would take if none were known, hence the false negatives' share if right items
        that nobody clicked are as many as the clicked ones and rank alike.
        """
        rows: list[dict[str, object]] = []
        every: list[tuple[str, Rows]] = [(name, np.array([i])) for i, name in enumerate(BUCKETS)]
        for name, at in [*every, ("all", np.arange(len(BUCKETS)))]:
            mined, judged, relevant = (int(one[at].sum()) for one in (self.mined, self.judged, self.relevant))
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


def by_rank(mined: Mined, wanted: NDArray[np.bool_]) -> Counts:
    """How many of the wanted places [Q, n] lie in each bucket."""
    bucket = np.searchsorted(np.array(EDGES), mined.ranks[wanted], side="right")
    return np.bincount(bucket, minlength=len(BUCKETS)).astype(np.int64)


def hold_out(query: Rows, item: Rows, frac: float, queries: int, seed: int) -> tuple[Known, Known]:
    """Known positives parted at random, pair by pair: (still known, held out)."""
    out = np.random.default_rng([seed, 1]).random(len(query)) < frac
    return Known(query[~out], item[~out], queries), Known(query[out], item[out], queries)


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
