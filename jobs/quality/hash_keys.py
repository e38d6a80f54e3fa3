"""Columns of Arrow as 64-bit words, by which keys, groups and references are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.quality.hashes import NULL, text_words


def words(column: Any, seed: int) -> np.ndarray:
    """One word [N] for each value of a column, the same for equal values; a null has its own."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        hashed = text_words(*_bytes(column), seed)
    else:
        hashed = _numbers(column)
    return np.where(nulls(column), NULL, hashed) if column.null_count else hashed


def nulls(column: Any) -> np.ndarray:
    """Mask of the values that are null."""
    mask: np.ndarray = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask


def _bytes(column: Any) -> tuple[np.ndarray, np.ndarray]:
    wide = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, wide)[column.offset : column.offset + len(column) + 1]
    return ends.astype(np.int64), np.frombuffer(data or b"", np.uint8)


def _numbers(column: Any) -> np.ndarray:
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64() if pa.types.is_timestamp(column.type) else pa.int32())
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = (values.astype(np.float64) + 0.0).view(np.int64)  # -0.0 is 0.0
    numbers: np.ndarray = values.astype(np.int64).view(np.uint64)
    return numbers
