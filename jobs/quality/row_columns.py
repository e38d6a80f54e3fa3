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
    # a column: of Arrow, or of numpy; None: counted by groups, never made
    arrow: Callable[[pa.Table, Known], Any] | None
    whole: bool = False
    per: str = ""
    of: str = ""


def chars(column: str) -> Derived:
    """Length of a text in characters."""
    return Derived((column,), f"CHAR_LENGTH({column})", lambda rows, _: pc.utf8_length(rows[column]))


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
            pc.and_(pc.equal(pc.utf8_lower(rows[column]), rows[column]), pc.match_substring_regex(rows[column], form)),
            pa.int32(),
        ),
    )


def flag(column: str) -> Derived:
    """A boolean as 1 or 0, so that its mean is a share."""
    return Derived((column,), f"CAST({column} AS INT)", lambda rows, _: pc.cast(rows[column], pa.int32()))


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
            pc.equal(rows[other], pa.scalar(value)), rows[column], pa.scalar(None, rows[column].type)
        ),
    )


def days_before_ds(column: str) -> Derived:
    """Whole days from the column's day to the partition's day; negative is the future."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        day = pa.scalar(date.fromisoformat(known.ds), pa.date32())
        return pc.days_between(pc.cast(rows[column], pa.date32()), day)

    return Derived((column,), f"DATEDIFF(CAST(known_ds AS DATE), CAST({column} AS DATE))", arrow)


def without(column: str, other: str) -> Derived:
    """1 where one flag is set and another is not, else 0."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        return pc.cast(pc.and_not_kleene(rows[column], rows[other]), pa.int32())

    return Derived((column, other), f"CAST({column} AND NOT {other} AS INT)", arrow)


def none_of(*columns: str) -> Derived:
    """1 where none of some flags is set, else 0."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        some = rows[columns[0]]
        for column in columns[1:]:
            some = pc.or_kleene(some, rows[column])
        return pc.cast(pc.invert(some), pa.int32())

    return Derived(columns, f"CAST(NOT ({' OR '.join(columns)}) AS INT)", arrow)


def hour(column: str) -> Derived:
    """Hour of the day, UTC."""
    return Derived((column,), f"HOUR({column})", lambda rows, _: pc.hour(rows[column]))


def levels(column: str) -> Derived:
    """How many steps a path such as A > B > C has; 0 when it is empty."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        some = pc.cast(pc.not_equal(rows[column], pa.scalar("")), pa.int32())
        return pc.add(pc.count_substring(rows[column], " > "), some)

    steps = f"SIZE(SPLIT({column}, ' > '))"
    return Derived((column,), f"IF({column} = '', 0, {steps})", arrow)


def garbled(column: str) -> Derived:
    """1 where a text shows that its bytes were read in another encoding: U+FFFD, or UTF-8 taken for Latin."""
    lost = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
    form = f"\ufffd|[\u00c3-\u00c5][{lost}]"
    return Derived(
        (column,),
        f"CAST({column} RLIKE r'{form}' AS INT)",
        lambda rows, _: pc.cast(pc.match_substring_regex(rows[column], form), pa.int32()),
    )


def of_ds(column: str, day: str) -> Derived:
    """The column's values in the rows of the partition's own day, else null."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        today = pa.scalar(date.fromisoformat(known.ds), pa.date32())
        nothing = pa.scalar(None, rows[column].type)
        return pc.if_else(pc.equal(rows[day], today), rows[column], nothing)

    return Derived((column, day), f"IF({day} = CAST(known_ds AS DATE), {column}, NULL)", arrow)


def at_top(column: str, position: str) -> Derived:
    """The column's value at position 1, else null."""

    def arrow(rows: pa.Table, known: Known) -> Any:
        return pc.if_else(pc.equal(rows[position], pa.scalar(1)), rows[column], pa.scalar(None, rows[column].type))

    return Derived((column, position), f"IF({position} = 1, {column}, NULL)", arrow)
