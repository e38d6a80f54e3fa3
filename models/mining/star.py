"""STAR mining: for each query the catalogue's most similar items that are not known to be right.

Ranks count from 0 over the whole catalogue, before anything is removed: known positives take up ranks.
What is dropped is counted under the first of these filters that it meets:
1. known positive: of the query, of every split, from all history;
2. same group: as a known positive; other offers of what was clicked;
3. same title: normalised, as a known positive or a candidate ranked above;
4. near-duplicate title: of a known positive or of a candidate ranked above (models.mining.near_duplicate_titles);
5. rank window [r_min, r_max): the very first are often right, only unclicked, and do harm as negatives;
6. margin: scores above what the query's best known positive allows (models.mining.margin).
What is left is cut to the first n. Where fewer are left, random items fill up, with rank -1; these too
are no known positives, nor of their groups. 3 and 4 come before 5: a candidate like one that is skipped
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

_QUERIES_AT_ONCE, _DRAWS = 1 << 10, 20


@dataclass(frozen=True)
class Window:
    """Ranks r_min <= rank < r_max are looked at, per_query of them kept."""

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
class Likeness:
    """Which items are alike. group, title [N]: a number per item, equal where the product, or the
    normalised title, is. near: titles' near-duplicates, by the numbers of titles; None: not asked."""

    group: Rows
    title: Rows
    near: Ragged | None = None


@dataclass(frozen=True)
class Mined:
    """items, ranks, scores [Q, n]: rank from 0, -1 for random fill, whose score is NaN; item -1 where
    the catalogue has no more. dropped: how many candidates each filter took. filled: random items."""

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
    window: Window,
    seed: int,
    most: Vectors | None = None,
) -> Mined:
    """Filter neighbours found [Q, depth >= r_max] of the query rows [Q], best first.

    most [Q]: the margin's limit. Random items follow from the seed and the queries mined together.
    """
    limit = np.full(len(query), np.inf, np.float32) if most is None else most
    parts = []
    for start in range(0, max(1, len(query)), _QUERIES_AT_ONCE):
        some = slice(start, start + _QUERIES_AT_ONCE)
        miner = _Miner(query[some], known, like, window, seed)
        parts.append(miner.mined(found[some], scores[some], limit[some]))
    return Mined(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.scores for part in parts]),
        {name: sum(part.dropped[name] for part in parts) for name in parts[0].dropped},
        sum(part.filled for part in parts),
    )


class _Miner:
    """Mines for some queries."""

    def __init__(self, query: Rows, known: Known, like: Likeness, window: Window, seed: int) -> None:
        self.query, self.known, self.like, self.window, self.seed = query, known, like, window, seed
        place, items = known.of(query)
        self.groups = Known(place, like.group[items], len(query))
        self.titles = Known(place, like.title[items], len(query))
        self.row = np.arange(len(query))[:, None]

    def mined(self, found: Rows, scores: Vectors, most: Vectors) -> Mined:
        found, scores = found[:, : self.window.r_max], scores[:, : self.window.r_max]
        place, title = np.arange(found.shape[1]), self.like.title[found]
        kept = found >= 0
        dropped = {"not in the catalogue": int((~kept).sum())}
        filters: dict[str, Callable[[], NDArray[np.bool_]]] = {
            "known positive": lambda: self.known.contains(self.query[:, None], found),
            "same group": lambda: self.groups.contains(self.row, self.like.group[found]),
            "same title": lambda: self.titles.contains(self.row, title) | repeats(title, found >= 0),
            "near-duplicate title": lambda: self._near(title, kept),
            "rank window": lambda: np.broadcast_to(place < self.window.r_min, found.shape),
            "margin": lambda: scores > most[:, None],
        }
        for name, wrong in filters.items():
            gone = kept & wrong()
            dropped[name] = int(gone.sum())
            kept = kept & ~gone
        return self._cut(found, scores, kept, dropped)

    def _cut(self, found: Rows, scores: Vectors, kept: NDArray[np.bool_], dropped: dict[str, int]) -> Mined:
        order = np.argsort(~kept, axis=1, kind="stable")[:, : self.window.per_query]
        full = np.take_along_axis(kept, order, axis=1)
        dropped["beyond per_query"] = int(kept.sum() - full.sum())
        shape, width = (len(found), self.window.per_query), order.shape[1]
        items, ranks = np.full(shape, -1), np.full(shape, -1)
        near = np.full(shape, np.nan, np.float32)
        items[:, :width] = np.where(full, np.take_along_axis(found, order, axis=1), -1)
        ranks[:, :width] = np.where(full, order, -1)
        near[:, :width] = np.where(full, np.take_along_axis(scores, order, axis=1), np.nan)
        items = self._fill(items)
        return Mined(items, ranks, near, dropped, int(((ranks < 0) & (items >= 0)).sum()))

    def _near(self, title: Rows, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """True where a title is nearly that of a known positive, or of a candidate ranked above."""
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
        """Random items in the place of -1, none wrong, none twice in a row.

        A few rounds of drawing; in a catalogue so small that they do not suffice, some -1 stay.
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
