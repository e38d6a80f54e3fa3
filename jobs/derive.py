"""Columns that a check needs and the table does not have, made of one row: lengths, flags, days.

Each is said twice, `sql` for Spark and `arrow` for one machine; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Known:
    """What a partition says of itself, beside its rows: the named parameters of the SQL."""

    ds: str
    dim: int


@dataclass(frozen=True)
class Derived:
    """One column; `reads` are the table's columns that it needs. whole: its value in a row follows from other rows.

    per, of: how many different values of `of` the rows have that share a value of `per`; counted by groups.
    """

    reads: tuple[str, ...]
    sql: str
    arrow: Callable[[pa.Table, Known], Any]  # a column: of Arrow, or of numpy
    whole: bool = False
    per: str = ""
    of: str = ""


def chars(column: str) -> Derived:
    """Length of a text in characters."""
    return Derived(
        (column,), f"CHAR_LENGTH({column})", lambda rows, _: pc.utf8_length(rows[column])
    )


def given(column: str) -> Derived:
    """1 where a text is there and not blank, else 0."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        some = pc.match_substring_regex(rows[column], r"\S")
        return pc.cast(pc.coalesce(some, pa.scalar(False)), pa.int32())

    return Derived((column,), rf"CAST(COALESCE({column} RLIKE r'\S', FALSE) AS INT)", arrow)


def clean(column: str) -> Derived:
    """1 where a text is lower case with single spaces inside and none around, as normalising leaves it."""
    form = r"^\S+( \S+)*$"
    return Derived(
        (column,),
        f"CAST(LOWER({column}) = {column} AND {column} RLIKE r'{form}' AS INT)",
        lambda rows, _: pc.cast(
            pc.and_(
                pc.equal(pc.utf8_lower(rows[column]), rows[column]),
                pc.match_substring_regex(rows[column], form),
            ),
            pa.int32(),
        ),
    )


def flag(column: str) -> Derived:
    """A boolean as 1 or 0, so that its mean is a share."""
    return Derived(
        (column,), f"CAST({column} AS INT)", lambda rows, _: pc.cast(rows[column], pa.int32())
    )


def equals(column: str, value: str | int) -> Derived:
    """1 where a column has this value, else 0."""
    said = f"'{value}'" if isinstance(value, str) else str(value)
    return Derived(
        (column,),
        f"CAST({column} = {said} AS INT)",
        lambda rows, _: pc.cast(pc.equal(rows[column], pa.scalar(value)), pa.int32()),
    )


def only_where(column: str, other: str, value: str) -> Derived:
    """The column's values in the rows where another has this value, else null."""
    return Derived(
        (column, other),
        f"IF({other} = '{value}', {column}, NULL)",
        lambda rows, _: pc.if_else(
            pc.equal(rows[other], pa.scalar(value)),
            rows[column],
            pa.scalar(None, rows[column].type),
        ),
    )


def days_before_ds(column: str) -> Derived:
    """Whole days from the column's day to the partition's day; negative is the future."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        day = pa.scalar(date.fromisoformat(known.ds), pa.date32())
        return pc.days_between(pc.cast(rows[column], pa.date32()), day)

    return Derived((column,), f"DATEDIFF(CAST(known_ds AS DATE), CAST({column} AS DATE))", arrow)
