"""Rows of unequal length in two flat arrays: token ids or trigram ids of a whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ragged:
    """values [T]; row r is values[offsets[r]:offsets[r + 1]], offsets [rows + 1].

    Both may be memory-mapped files: `take` and `span` read only the rows given.
    """

    values: Values
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of values of each row."""
        return np.asarray(self.offsets[1:] - self.offsets[:-1])

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Rows in the order given; a row may come twice. Always a copy."""
        starts = np.asarray(self.offsets[rows])
        lengths = np.asarray(self.offsets[rows + 1]) - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(starts - offsets[:-1], lengths)
        return Ragged(np.asarray(self.values[np.arange(offsets[-1]) + shift]), offsets)

    def span(self, start: int, stop: int) -> Ragged:
        """Rows start to stop, without a copy of their values."""
        offsets = np.asarray(self.offsets[start : stop + 1])
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])

    def keep(self, kept: NDArray[np.bool_]) -> Ragged:
        """Leave out single values: kept [T]."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return Ragged(self.values[kept], before[self.offsets])

    def pad(self, fill: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """A rectangle [rows, longest], and where it holds values."""
        lengths = self.lengths
        filled = np.arange(lengths.max(initial=1)) < lengths[:, None]
        padded = np.full(filled.shape, fill, np.int64)
        padded[filled] = self.values
        return padded, filled


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Rows from lists."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    values = np.fromiter((v for row in rows for v in row), np.int32, int(offsets[-1]))
    return Ragged(values, offsets)


def concatenate(parts: Sequence[Ragged]) -> Ragged:
    """The rows of all parts, one after another."""
    lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
    values = np.concatenate([np.zeros(0, np.int32), *(part.values for part in parts)])
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]))


def side_by_side(left: Ragged, right: Ragged) -> Ragged:
    """Each row of `left`, and behind it the same row of `right`."""
    lengths = np.column_stack([left.lengths, right.lengths])
    of_left = np.repeat(np.tile([True, False], len(left)), lengths.ravel())
    values = np.empty(len(of_left), np.result_type(left.values, right.values))
    values[of_left], values[~of_left] = left.values, right.values
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths.sum(axis=1))]))


def empty(rows: int) -> Ragged:
    """Rows without values."""
    return Ragged(np.zeros(0, np.int32), np.zeros(rows + 1, np.int64))
