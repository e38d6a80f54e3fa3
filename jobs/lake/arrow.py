"""Columns of Arrow tables as plain lists and arrays, and look-ups between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Rows = NDArray[np.int64]
# Arrow strings stay in Arrow: at 140M items a list of str needs ten times the memory
Strings: TypeAlias = "pa.Array[Any]"


def strings(table: pa.Table, name: str) -> list[str]:
    """A string column as a list; a null becomes an empty string."""
    return texts(table.column(name))


def texts(values: Strings | pa.ChunkedArray[Any]) -> list[str]:
    """Arrow strings as a list; a null becomes an empty string."""
    return [value or "" for value in values.to_pylist()]


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """A numeric column as an array."""
    values: NDArray[Any] = table.column(name).to_numpy()
    return values


def table_of(columns: Mapping[str, object]) -> pa.Table:
    """A table of lists, numpy arrays and Arrow arrays, by column name."""
    made: pa.Table = pa.table(dict(columns))  # type: ignore[arg-type]
    return made


def where(table: pa.Table, name: str, value: str) -> pa.Table:
    """Keep the rows whose column equals a value."""
    return table.filter(pc.field(name) == value)


def large(parts: Iterable[Strings]) -> Strings:
    """Concatenate arrays of strings, with 64-bit offsets: 32-bit offsets end at 2 GiB, some 140M ids."""
    wide = [part.cast(pa.large_string()) for part in parts]
    joined: Strings = pa.chunked_array(wide, pa.large_string()).combine_chunks()
    return joined


def find(wanted: Sequence[str] | Strings, among: Sequence[str] | Strings) -> Rows:
    """Row of each wanted string among others; -1 where it is absent."""
    known = among if isinstance(among, pa.Array) else pa.array(among, pa.string())
    values = wanted.cast(known.type) if isinstance(wanted, pa.Array) else pa.array(wanted, known.type)
    positions: Any = pc.index_in(values, known)
    rows: Rows = positions.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


def row_in(sorted_names: Strings, name: str) -> int:
    """Row of a string among sorted ones, by bisection; -1 where it is absent. `find` reads all of them for each call."""
    row = bisect_left(range(len(sorted_names)), name, key=lambda at: sorted_names[at].as_py())
    return row if row < len(sorted_names) and sorted_names[row].as_py() == name else -1


def pick(values: Strings, rows: Rows) -> Strings:
    """The values at these rows."""
    # pa.array would import pandas, to check whether the rows are of pandas
    buffer = pa.py_buffer(np.ascontiguousarray(rows, np.int64).data)
    picked: Strings = values.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, buffer]))
    return picked
