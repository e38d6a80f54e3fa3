"""STAR mining: for each query the catalogue's most similar items that are not known positives.

Ranks count from 1 over the whole catalogue, before anything is removed: known positives take up ranks.
A dropped candidate is counted under the first of these filters that removes it:
1. known positive: of the query, of every split, from all history;
2. same group: as a known positive; other offers of what was clicked;
3. same title: normalised, as a known positive or a candidate ranked above;
4. near-duplicate title: of a known positive or of a candidate ranked above (models.mining.near_duplicate_titles);
5. rank window: ranks up to r_min are often right, only unclicked, and do harm as negatives; ranks beyond r_max are
   not looked at;
6. margin: scores above the limit that the query's best known positive sets (PositiveAwareFilter);
7. cross-encoder: items that it takes for right (RocketQA, Qu et al. 2021, section 4.2). It is slow, so it reads a query's
   candidates in their order and only until n of them have passed.
The first n of the remaining candidates are kept. Where fewer remain, random items fill up, with rank 0; they too
are no known positives, nor of their groups. 3 and 4 come before 5, because a candidate like one that is skipped
for its high rank is as likely right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows, Vectors
from models.ann.repeats import first_place, repeats
from models.text.ragged import Ragged
from models.training.batches import Known

MARGINS = ("off", "absolute", "relative")
IsRight = Callable[[Rows, Rows], NDArray[np.bool_]]  # of pairs (query row, item row)
_QUERIES_AT_ONCE, _DRAWS = 1 << 10, 20


@dataclass(frozen=True)
class RankWindow:
    """Ranks r_min < rank <= r_max, counted from 1, of which per_query are kept."""

    r_min: int = 30
    r_max: int = 230
    per_query: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.r_min < self.r_max or self.per_query < 1:
            raise ValueError(
                f"r_min={self.r_min}, r_max={self.r_max}, per_query={self.per_query}:"
                " must be 0 <= r_min < r_max and per_query >= 1"
            )


@dataclass(frozen=True)
class PositiveAwareFilter:
    """Limit of a candidate's score, s being the score of the query's best known positive.

    A candidate that scores like a known positive, or above it, is likely right itself (NV-Retriever, arXiv
    2407.15831). absolute: s - size. relative: s - size * |s|; s * (1 - size) would lie above a negative s.
    """

    kind: str = "off"
    size: float = 0.05

    def __post_init__(self) -> None:
        if self.kind not in MARGINS or not 0 <= self.size <= 2:
            raise ValueError(f"margin={self.kind!r} of {self.size}: expected one of {', '.join(MARGINS)}, 0 to 2")

    def limits(self, positive: Vectors) -> Vectors:
        """Highest score allowed [Q], infinity without a limit. positive [Q]: NaN for none."""
        size = self.size * (np.abs(positive) if self.kind == "relative" else 1.0)
        limits = np.inf if self.kind == "off" else positive - size
        return np.where(np.isnan(positive), np.inf, limits).astype(np.float32)


@dataclass(frozen=True)
class Likeness:
    """Likeness of items. group, title [N]: a number per item, equal where the product, or the
    normalised title, is. near: near-duplicates of titles, by the numbers of titles; None: not used."""

    group: Rows
    title: Rows
    near: Ragged | None = None


@dataclass(frozen=True)
class MinedNegatives:
    """items, ranks, scores [Q, n]: ranks from 1, 0 for a random item, whose score is NaN; item -1 where
    the catalogue has no more. dropped: candidates that each filter removed. filled: random items."""

    items: Rows
    ranks: Rows
    scores: Vectors
    dropped: dict[str, int]
    filled: int


def mine(
    found: Rows,
    scores: Vectors,
    query: Rows,
    known: Known,
    like: Likeness,
    window: RankWindow,
    seed: int,
    limits: Vectors | None = None,
    is_right: IsRight | None = None,
) -> MinedNegatives:
    """Filter the neighbours found [Q, depth >= r_max] of the query rows [Q], best first.

    limits [Q]: highest scores allowed. is_right: of a cross-encoder. Random items follow from the seed and the queries
    mined together.
    """
    limits = np.full(len(query), np.inf, np.float32) if limits is None else limits
    parts = []
    for start in range(0, max(1, len(query)), _QUERIES_AT_ONCE):
        block = slice(start, start + _QUERIES_AT_ONCE)
        miner = _Miner(query[block], known, like, window, seed, is_right)
        parts.append(miner.mined(found[block], scores[block], limits[block]))
    return MinedNegatives(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.scores for part in parts]),
        {name: sum(part.dropped[name] for part in parts) for name in parts[0].dropped},
        sum(part.filled for part in parts),
    )


class _Miner:
    """Mining of a block of queries."""

    def __init__(
        self, query: Rows, known: Known, like: Likeness, window: RankWindow, seed: int, is_right: IsRight | None
    ) -> None:
        self.query, self.known, self.like, self.window, self.seed = query, known, like, window, seed
        self.is_right = is_right
        place, items = known.of(query)
        self.groups = Known(place, like.group[items], len(query))
        self.titles = Known(place, like.title[items], len(query))
        self.row = np.arange(len(query))[:, None]

    def mined(self, found: Rows, scores: Vectors, limits: Vectors) -> MinedNegatives:
        found, scores = found[:, : self.window.r_max], scores[:, : self.window.r_max]
        rank, title = 1 + np.arange(found.shape[1]), self.like.title[found]
        kept = found >= 0
        dropped = {"not in the catalogue": int((~kept).sum())}
        filters: dict[str, Callable[[], NDArray[np.bool_]]] = {
            "known positive": lambda: self.known.contains(self.query[:, None], found),
            "same group": lambda: self.groups.contains(self.row, self.like.group[found]),
            "same title": lambda: self.titles.contains(self.row, title) | repeats(title, found >= 0),
            "near-duplicate title": lambda: self._near(title, kept),
            "rank window": lambda: np.broadcast_to(rank <= self.window.r_min, found.shape),
            "margin": lambda: scores > limits[:, None],
        }
        if self.is_right:
            filters["cross-encoder"] = lambda: self._right(found, kept)
        for name, wrong in filters.items():
            gone = kept & wrong()
            dropped[name] = int(gone.sum())
            kept = kept & ~gone
        return self._cut(found, scores, kept, dropped)

    def _cut(self, found: Rows, scores: Vectors, kept: NDArray[np.bool_], dropped: dict[str, int]) -> MinedNegatives:
        order = np.argsort(~kept, axis=1, kind="stable")[:, : self.window.per_query]
        full = np.take_along_axis(kept, order, axis=1)
        dropped["beyond per_query"] = int(kept.sum() - full.sum())
        shape, width = (len(found), self.window.per_query), order.shape[1]
        items, ranks = np.full(shape, -1), np.zeros(shape, np.int64)
        near = np.full(shape, np.nan, np.float32)
        items[:, :width] = np.where(full, np.take_along_axis(found, order, axis=1), -1)
        ranks[:, :width] = np.where(full, 1 + order, 0)
        near[:, :width] = np.where(full, np.take_along_axis(scores, order, axis=1), np.nan)
        items = self._fill(items)
        return MinedNegatives(items, ranks, near, dropped, int(((ranks == 0) & (items >= 0)).sum()))

    def _right(self, found: Rows, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """True where the cross-encoder takes a candidate for right, as far as it must read to fill the places."""
        right = np.zeros(found.shape, np.bool_)
        unread = kept.copy() if self.is_right else right
        passed = np.zeros((len(found), 1), np.int64)
        while self.is_right and unread.any():
            next_ = unread & (np.cumsum(unread, axis=1) <= self.window.per_query - passed)
            row, place = np.nonzero(next_)
            if not len(row):
                break
            right[row, place] = self.is_right(self.query[row], found[row, place])
            passed += (next_ & ~right).sum(axis=1, keepdims=True)
            unread = unread & ~next_
        return right

    def _near(self, title: Rows, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """True where a title is a near-duplicate of a known positive's, or of a candidate's ranked above."""
        wrong = np.zeros(title.shape, np.bool_)
        if self.like.near is None or not len(self.like.near.values):
            return wrong
        row, place = np.nonzero(kept & (self.like.near.lengths[title] > 0))
        others = self.like.near.take(title[row, place])
        back = np.repeat(np.arange(len(row)), others.lengths)
        row, place, other = row[back], place[back], others.values.astype(np.int64)
        bad = self.titles.contains(row, other) | (first_place(title, row, other) < place)
        wrong[row[bad], place[bad]] = True
        return wrong

    def _fill(self, items: Rows) -> Rows:
        """Random items in the place of -1, no known positive, none twice in a row.

        A few rounds of drawing; where a small catalogue has too few items for them, some -1 stay.
        """
        some = np.flatnonzero((items < 0).any(axis=1))
        rng = np.random.default_rng([self.seed, int(self.query[0]) if len(self.query) else 0])
        for _ in range(_DRAWS):
            if not len(some):
                break
            part, query = items[some], self.query[some, None]
            open_ = part < 0
            drawn = np.where(open_, rng.integers(0, len(self.like.group), part.shape), part)
            wrong = self.known.contains(query, drawn) | repeats(drawn, ~open_)
            wrong |= self.groups.contains(some[:, None], self.like.group[drawn])
            items[some] = np.where(open_ & wrong, -1, drawn)
            some = some[(items[some] < 0).any(axis=1)]
        return items
