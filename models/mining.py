"""STAR mining: for each query the catalogue's most similar items that are not known to be right.

Filters, in this order:
1. rank window [r_min, r_max), ranks from 0 over the whole catalogue: the very first are often right,
   only unclicked, and do harm as negatives;
2. known positives of the query, of every split;
3. items of the same group as a known positive: other offers of the product that was clicked;
4. items whose normalised title equals that of a known positive, or of a candidate ranked above.
What is left is cut to the first n. Where fewer are left, random items fill up, with rank -1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from models.batches import Known

Rows = NDArray[np.int64]
_ITEMS_AT_ONCE, _QUERIES_AT_ONCE, _DRAWS = 1 << 18, 1 << 10, 20


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
class Mined:
    """items, ranks, scores [Q, n]: rank from 0, -1 for random fill, whose score is NaN; item -1 where
    the catalogue has no more. dropped: how many candidates each filter took. filled: random items."""

    items: Rows
    ranks: Rows
    scores: NDArray[np.float32]
    dropped: dict[str, int]
    filled: int


def nearest(
    queries: NDArray[np.float32], chunks: Iterator[NDArray[np.float32]], depth: int
) -> tuple[NDArray[np.float32], Rows]:
    """Scores and rows [Q, depth] by exact inner product over a catalogue given chunk by chunk.

    Memory is that of one chunk, however large the catalogue. Rows count up across chunks; where the
    catalogue is smaller than depth the rest is row -1.
    """
    best = faiss.ResultHeap(len(queries), depth, keep_max=True)
    first = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _ITEMS_AT_ONCE):
            part = np.ascontiguousarray(chunk[start : start + _ITEMS_AT_ONCE], np.float32)
            scores, rows = faiss.knn(
                queries, part, min(depth, len(part)), metric=faiss.METRIC_INNER_PRODUCT
            )
            best.add_result(scores, rows + first + start)
        first += len(chunk)
    best.finalize()
    return best.D, best.I


def mine(
    found: Rows,
    scores: NDArray[np.float32],
    query: Rows,
    known: Known,
    group: Rows,
    title: Rows,
    window: Window,
    seed: int,
) -> Mined:
    """Filter neighbours found [Q, depth >= r_max] of the query rows [Q], best first.

    group and title [N]: a number per item, equal where the product, or the normalised title, is.
    """
    parts = []
    for start in range(0, len(query), _QUERIES_AT_ONCE):
        some = slice(start, start + _QUERIES_AT_ONCE)
        rng = np.random.default_rng([seed, start])
        parts.append(
            _mine_some(found[some], scores[some], query[some], known, group, title, window, rng)
        )
    return Mined(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.scores for part in parts]),
        {name: sum(part.dropped[name] for part in parts) for name in parts[0].dropped},
        sum(part.filled for part in parts),
    )


def _mine_some(
    found: Rows,
    scores: NDArray[np.float32],
    query: Rows,
    known: Known,
    group: Rows,
    title: Rows,
    window: Window,
    rng: np.random.Generator,
) -> Mined:
    found, scores = found[:, : window.r_max], scores[:, : window.r_max]
    place = np.arange(found.shape[1])
    kept = np.broadcast_to(place >= window.r_min, found.shape) & (found >= 0)
    dropped = {"rank window": int((~kept).sum())}

    def drop(name: str, wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
        dropped[name] = int((kept & wrong).sum())
        return kept & ~wrong

    kept = drop("known positive", known.contains(query[:, None], found))
    kept = drop("same group", _shares(found, query, known, group))
    wrong = _shares(found, query, known, title) | _repeats(title[found], kept)
    kept = drop("same title", wrong)
    order = np.argsort(~kept, axis=1, kind="stable")[:, : window.per_query]
    full = np.take_along_axis(kept, order, axis=1)
    dropped["beyond per_query"] = int(kept.sum() - full.sum())
    shape = (len(query), window.per_query)
    width = order.shape[1]
    items, ranks = np.full(shape, -1), np.full(shape, -1)
    near = np.full(shape, np.nan, np.float32)
    items[:, :width] = np.where(full, np.take_along_axis(found, order, axis=1), -1)
    ranks[:, :width] = np.where(full, order, -1)
    near[:, :width] = np.where(full, np.take_along_axis(scores, order, axis=1), np.nan)
    items = _fill(items, query, known, len(group), rng)
    return Mined(items, ranks, near, dropped, int(((ranks < 0) & (items >= 0)).sum()))


def _shares(found: Rows, query: Rows, known: Known, label: Rows) -> NDArray[np.bool_]:
    """True where a found item has the label of one of the query's known positives."""
    place, items = known.of(query)
    labelled = Known(place, label[items], len(query))
    return labelled.contains(np.arange(len(query))[:, None], label[found])


def _repeats(labels: Rows, first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True where a label repeats in its row; of equal ones those in `first` come before the others."""
    place = np.broadcast_to(np.arange(labels.shape[1]), labels.shape)
    order = np.lexsort((place, ~first, labels))
    ordered = np.take_along_axis(labels, order, axis=1)
    again = np.zeros(labels.shape, np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeats = np.empty_like(again)
    np.put_along_axis(repeats, order, again, axis=1)
    return repeats


def _fill(items: Rows, query: Rows, known: Known, count: int, rng: np.random.Generator) -> Rows:
    """Random item rows in the place of -1, none known to be right, none twice in a row of `items`.

    A few rounds of drawing; in a catalogue so small that they do not suffice, some -1 stay.
    """
    for _ in range(_DRAWS):
        open_ = items < 0
        if not open_.any():
            break
        drawn = np.where(open_, rng.integers(0, count, items.shape), items)
        wrong = known.contains(query[:, None], drawn) | _repeats(drawn, ~open_)
        items = np.where(open_ & wrong, -1, drawn)
    return items
