"""Columns that a check needs and the table does not have, made of one row: lengths, flags, days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class PartitionFacts:
    """Facts of a partition that derived columns need.

    dim   of its vectors; 0: it has none
    arms  different arms of its rankings that must answer every query, where the rows are only some of them; 0: count
          them in the rows
    """

    ds: str
    dim: int
    arms: int = 0

    @property
    def day(self) -> Any:
        """The partition's day as an Arrow scalar."""
        return pa.scalar(date.fromisoformat(self.ds), pa.date32())


@dataclass(frozen=True)
class DerivedColumn:
    """A column made of others. reads: the table's columns that it needs.

    make     rows -> a column of Arrow or numpy; None: it is counted by groups and never made
    whole    a row's value follows from the other rows with the same value of this column
    per, of  the number of different values of `of` in the rows that share a value of `per`; counted by groups
    """

    reads: tuple[str, ...]
    make: Callable[[pa.Table, PartitionFacts], Any] | None
    whole: str = ""
    per: str = ""
    of: str = ""


def chars(column: str) -> DerivedColumn:
    """Length of a text in characters."""
    return DerivedColumn((column,), lambda rows, _: pc.utf8_length(rows[column]))


def _flags(columns: tuple[str, ...], mask: Callable[[pa.Table], Any]) -> DerivedColumn:
    """A mask as 1 or 0, so that its mean is a share."""
    return DerivedColumn(columns, lambda rows, _: pc.cast(mask(rows), pa.int32()))


def given(column: str) -> DerivedColumn:
    """1 where a text is there and not blank, else 0."""
    return _flags((column,), lambda rows: pc.coalesce(pc.match_substring_regex(rows[column], r"\S"), pa.scalar(False)))


def clean(column: str) -> DerivedColumn:
    """1 where a text is lower case with single spaces inside and none around, as normalising leaves it."""

    def mask(rows: pa.Table) -> Any:
        lower = pc.equal(pc.utf8_lower(rows[column]), rows[column])
        return pc.and_(lower, pc.match_substring_regex(rows[column], r"^\S+( \S+)*$"))

    return _flags((column,), mask)


def flag(column: str) -> DerivedColumn:
    """A boolean as 1 or 0."""
    return _flags((column,), lambda rows: rows[column])


def equals(column: str, value: str | int) -> DerivedColumn:
    """1 where a column has this value, else 0."""
    return _flags((column,), lambda rows: pc.equal(rows[column], pa.scalar(value)))


def same(column: str, other: str) -> DerivedColumn:
    """1 where two columns have one value, else 0."""
    return _flags((column, other), lambda rows: pc.equal(rows[column], rows[other]))


def positive(column: str) -> DerivedColumn:
    """1 where a number is above 0, else 0."""
    return _flags((column,), lambda rows: pc.greater(rows[column], pa.scalar(0.0)))


def only_where(column: str, other: str, value: str | int) -> DerivedColumn:
    """The column's values in the rows where another has this value, else null."""
    return DerivedColumn((column, other), lambda rows, _: _where(rows, column, pc.equal(rows[other], pa.scalar(value))))


def of_ds(column: str, day: str) -> DerivedColumn:
    """The column's values in the rows of the partition's own day, else null."""
    return DerivedColumn((column, day), lambda rows, facts: _where(rows, column, pc.equal(rows[day], facts.day)))


def _where(rows: pa.Table, column: str, mask: Any) -> Any:
    return pc.if_else(mask, rows[column], pa.scalar(None, rows[column].type))


def days_before_ds(column: str) -> DerivedColumn:
    """Whole days from the column's day to the partition's day; negative is the future."""
    return DerivedColumn((column,), lambda rows, facts: pc.days_between(pc.cast(rows[column], pa.date32()), facts.day))


def without(column: str, other: str) -> DerivedColumn:
    """1 where one flag is set and another is not, else 0."""
    return _flags((column, other), lambda rows: pc.and_not_kleene(rows[column], rows[other]))


def none_of(*columns: str) -> DerivedColumn:
    """1 where none of some flags is set, else 0."""

    def mask(rows: pa.Table) -> Any:
        some = rows[columns[0]]
        for column in columns[1:]:
            some = pc.or_kleene(some, rows[column])
        return pc.invert(some)

    return _flags(columns, mask)


def hour(column: str) -> DerivedColumn:
    """Hour of the day, UTC."""
    return DerivedColumn((column,), lambda rows, _: pc.hour(rows[column]))


def levels(column: str) -> DerivedColumn:
    """Number of steps in a path such as A > B > C; 0 when it is empty."""

    def make(rows: pa.Table, _: PartitionFacts) -> Any:
        some = pc.cast(pc.not_equal(rows[column], pa.scalar("")), pa.int32())
        return pc.add(pc.count_substring(rows[column], " > "), some)

    return DerivedColumn((column,), make)


def garbled(column: str) -> DerivedColumn:
    """1 where a text shows that its bytes were read in another encoding: U+FFFD, or UTF-8 taken for Latin."""
    lost = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
    form = f"\ufffd|[\u00c3-\u00c5][{lost}]"
    return _flags((column,), lambda rows: pc.match_substring_regex(rows[column], form))
