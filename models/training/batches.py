"""Pairs of an epoch in their order and batches, and look-ups of known positives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Positives by row number: query [P], item [P]; weight [P] > 0 is how often a pair is drawn."""

    query: Rows
    item: Rows
    weight: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.query)


class Known:
    """Items of each query, such as the known positives of every split, in compressed rows."""

    def __init__(self, query: Rows, item: Rows, n_queries: int) -> None:
        order = np.lexsort((item, query))
        self.items = item[order]
        self.span = int(item.max(initial=-1)) + 1
        self.offsets = np.searchsorted(query[order], np.arange(n_queries + 1))

    def hits(self, query: Rows, items: Rows) -> tuple[Rows, Rows]:
        """(row, column) of each known positive of query [B] among items [C], ascending, by row first.

        items must be ascending and unique. Rows beyond the last query have none. Costs the number
        of the batch's known positives, not B x C look-ups.
        """
        row, item = self.of(query)
        column = np.searchsorted(items, item).clip(max=len(items) - 1)
        hit = items[column] == item
        return row[hit], column[hit]

    @cached_property
    def _codes(self) -> Rows:
        """Query and item of each known positive as one number, ascending."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets)) * self.span + self.items

    def contains(self, query: Rows, item: Rows) -> NDArray[np.bool_]:
        """True where (query, item) is a known positive; the two are broadcast together."""
        wanted = np.where((item >= 0) & (item < self.span), query * self.span + item, -1)
        if not len(self.items):
            return np.zeros(wanted.shape, np.bool_)
        nearest = self._codes[np.searchsorted(self._codes, wanted).clip(max=len(self.items) - 1)]
        is_known: NDArray[np.bool_] = nearest == wanted
        return is_known

    def counts(self, query: Rows) -> Rows:
        """Number of known positives of each query."""
        return self.offsets[query + 1] - self.offsets[query]

    def of(self, query: Rows) -> tuple[Rows, Rows]:
        """(place in `query`, item) of each known positive of the queries."""
        last = len(self.offsets) - 1
        start, stop = self.offsets[query.clip(max=last)], self.offsets[(query + 1).clip(max=last)]
        counts = stop - start
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + counts, counts)
        return np.repeat(np.arange(len(query)), counts), self.items[places]


@dataclass(frozen=True)
class JudgedItems:
    """Items that people judged, and of these the relevant ones, by query row."""

    judged: Known
    relevant: Known


def epoch_order(pairs: Pairs, seed: int, epoch: int) -> Rows:
    """The pairs of one epoch, P draws in an order that follows from (seed, epoch) alone.

    Without weights each pair comes once. With them a pair comes about P * weight / sum(weight)
    times. The m pairs of a query are spread evenly over the epoch, so that a batch holds a query
    once, unless m exceeds the number of batches.
    """
    rng = np.random.default_rng([seed, epoch])
    if pairs.weight is None:
        drawn = np.arange(len(pairs))
    else:
        # systematic sampling: counts differ from their expectation by less than one
        share = np.cumsum(pairs.weight, dtype=np.float64)
        grid = (np.arange(len(pairs)) + rng.random()) * (share[-1] / len(pairs))
        drawn = np.searchsorted(share, grid, side="right").clip(max=len(pairs) - 1)
    drawn = rng.permutation(drawn)
    drawn = drawn[np.argsort(pairs.query[drawn], kind="stable")]
    query = pairs.query[drawn]
    _, first, counts = np.unique(query, return_index=True, return_counts=True)
    occurrence = np.arange(len(drawn)) - np.repeat(first, counts)
    phase = np.repeat(rng.random(len(first)), counts)
    return drawn[np.argsort((occurrence + phase) / np.repeat(counts, counts), kind="stable")]


def batches_of(order: Rows, size: int) -> list[Rows]:
    """Full batches only: a short last one would have an easier softmax and a jump in the loss."""
    size = min(size, len(order))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
