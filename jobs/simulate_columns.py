"""Arrow columns out of numpy's: values by row number, words by search, texts of one length."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Column: TypeAlias = "pa.Array[Any]"


def taken(values: Column, rows: Ints) -> Column:
    """Return the value of each row; null where the row is below 0."""
    where: Column = pa.array(rows, pa.int64(), mask=rows < 0)
    return values.take(where)


def worded(words: NDArray[np.object_], rows: Ints, given: Flags) -> Column:
    """Return the word of each row; null where none is given."""
    return taken(pa.array(words, pa.string()), np.where(given, rows, -1))


def texts(fixed: NDArray[np.bytes_]) -> Column:
    """Return texts of one length, without an object for each."""
    ends = np.arange(len(fixed) + 1, dtype=np.int32) * fixed.dtype.itemsize
    made: Column = pa.Array.from_buffers(
        pa.string(), len(fixed), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(fixed.tobytes())]
    )
    return made
