"""Types of the simulator's arrays, and tables whose columns are arrays of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Words = NDArray[np.object_]


@dataclass(frozen=True)
class Columns:
    """Base of a table: every field is a column."""

    def take(self, rows: Ints) -> Self:
        """Return these rows, in this order."""
        return type(self)(*(column[rows] for column in self._columns()))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return all rows of the parts, one part after the other."""
        return cls(*map(np.concatenate, zip(*(part._columns() for part in parts), strict=True)))

    def _columns(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]


def as_words(values: NDArray[Any]) -> Words:
    """Return numbers or texts as text objects."""
    return values.astype(np.str_).astype(object)
