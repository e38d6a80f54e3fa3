"""Arrow columns out of numpy's: values by row number, words by search, texts of one length."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.simulator.arrays import Flags, Ints, Words

Column: TypeAlias = "pa.Array[Any]"


WORDS = pa.dictionary(pa.int32(), pa.string())  # repeated texts, each kept once beside its places


def taken(values: Column, rows: Ints) -> Column:
    """Return the value of each row; null where the row is below 0."""
    where: Column = pa.array(rows, pa.int64(), mask=rows < 0)
    return values.take(where)


def coded(values: Column, rows: Ints) -> Column:
    """Return the text of each row as WORDS; null where the row is below 0.

    For few values, as all are written, and no two alike: the writer of Parquet gives up a dictionary that repeats
    itself, and what it then writes below nulls differs from time to time.
    """
    where: Column = pa.array(np.maximum(rows, 0).astype(np.int32), pa.int32(), mask=rows < 0)
    made: Column = pa.DictionaryArray.from_arrays(where, values)
    return made


def worded(words: Words, rows: Ints, given: Flags) -> Column:
    """Return the word of each row as WORDS; null where none is given."""
    once: Any = pc.dictionary_encode(pa.array(words, pa.string()))
    places = once.indices.to_numpy()[rows]
    return coded(once.dictionary, np.where(given, places, -1))


def texts(fixed: NDArray[np.bytes_]) -> Column:
    """Return texts of one length, without an object for each."""
    ends = np.arange(len(fixed) + 1, dtype=np.int32) * fixed.dtype.itemsize
    made: Column = pa.Array.from_buffers(
        pa.string(), len(fixed), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(fixed.tobytes())]
    )
    return made
