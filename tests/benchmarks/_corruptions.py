"""Parts of faults: small functions that take a job's output and return it with a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tests.benchmarks._shop_days import Day, Delivered

Fault = Callable[[Delivered, Day], Delivered]


@dataclass(frozen=True)
class Corruption:
    """One fault at one dose. day: the clean day, from which other tables can be taken."""

    table: str
    name: str
    dose: str
    spoil: Fault


def rng() -> np.random.Generator:
    """The same rows are hit every time."""
    return np.random.default_rng(42)


def some(rows: pa.Table, share: float) -> np.ndarray:
    """True for a share of the rows, one at least."""
    hit = rng().random(rows.num_rows) < share
    hit[0] |= not hit.any()
    return hit


def put(rows: pa.Table, column: str, value: Any, where: np.ndarray | None = None) -> pa.Table:
    """A column with other values, everywhere or where stated; typed as before."""
    at = rows.schema.get_field_index(column)
    kind = rows.schema.field(at).type
    new = value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.array([value] * rows.num_rows, kind)
    if where is not None:
        new = pc.if_else(pa.array(where), new, rows[column])
    return rows.set_column(at, rows.schema.field(at), new.cast(kind))


def values(**columns: Any) -> Callable[[float], Fault]:
    """Constants in a share of the rows."""

    def dosed(share: float) -> Fault:
        def spoil(given: Delivered, day: Day) -> Delivered:
            rows = given.rows
            hit = some(rows, share)
            for column, value in columns.items():
                rows = put(rows, column, value, hit)
            return given.having(rows)

        return spoil

    return dosed


def mapped(column: str, change: Callable[[pd.Series], Any]) -> Callable[[float], Fault]:
    """A column changed in a share of the rows."""

    def dosed(share: float) -> Fault:
        def spoil(given: Delivered, day: Day) -> Delivered:
            new = pa.array(list(change(given.rows[column].to_pandas())), from_pandas=True)
            kind = given.rows.schema.field(column).type
            return given.having(put(given.rows, column, new.cast(kind), some(given.rows, share)))

        return spoil

    return dosed


def doubled(share: float) -> Fault:
    """Some rows stand there twice."""
    return lambda given, _: given.having(
        pa.concat_tables([given.rows, given.rows.filter(pa.array(some(given.rows, share)))])
    )


def lost(share: float) -> Fault:
    """Some rows are missing."""
    return lambda given, _: given.having(given.rows.filter(pa.array(~some(given.rows, share))))


def kept(column: str, mask: Callable[[pd.Series], pd.Series]) -> Fault:
    """Only some rows are there, by a column."""
    return lambda given, _: given.having(
        given.rows.filter(pa.array(mask(given.rows[column].to_pandas()).to_numpy(bool)))
    )


def swapped(one: str, other: str) -> Fault:
    """Two columns have changed places."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        rows = put(given.rows, one, given.rows[other])
        return given.having(put(rows, other, given.rows[one]))

    return spoil


def renamed(column: str, to: str) -> Fault:
    """A column has another name."""
    return lambda given, _: given.having(
        given.rows.rename_columns([to if n == column else n for n in given.rows.column_names])
    )


def retyped(column: str, kind: pa.DataType) -> Fault:
    """A column has another type."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        at = given.rows.schema.get_field_index(column)
        return given.having(given.rows.set_column(at, column, given.rows[column].cast(kind)))

    return spoil


def later(days: float) -> Callable[[pd.Series], Any]:
    """Timestamps moved by some days."""
    return lambda at: at + pd.Timedelta(days=days)


def garbled(texts: pd.Series) -> list[str]:
    """UTF-8 read as Windows-1252."""
    return [text.encode().decode("cp1252", "replace") for text in texts]


def again(times: int) -> Fault:
    """The searches of the day came several times, under ids of their own."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        parts = [
            put(given.rows, "search_id", pc.binary_join_element_wise(given.rows["search_id"], str(n), "x"))
            for n in range(times)
        ]
        return given.having(pa.concat_tables(parts))

    return spoil


def to_train(share: float) -> Fault:
    """Test queries' rows called training rows."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        queries = np.array(given.rows["query_id"].to_pylist())
        test = np.unique(queries[np.array(given.rows["split"].to_pylist()) == "test"])
        chosen = test[: max(1, round(share * len(test)))]
        hit = np.isin(queries, chosen)
        return given.having(put(given.rows, "split", "train", hit))

    return spoil
