"""Rows of labelled files as text, each either taken or rejected, and counted by reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

KEPT_REJECTS = 10_000  # rows that go into the quarantine file of a table; all are counted


@dataclass
class DatasetRows:
    """A frame of text columns on its way through the checks."""

    frame: pd.DataFrame
    rows_in: int
    dropped: Counter[str] = field(default_factory=Counter)
    rejects: list[str] = field(default_factory=list)

    def reject(self, bad: pd.Series[bool], reason: str) -> None:
        """Take the rows where `bad` is True out, count them, and keep them for the quarantine."""
        if bad.any():
            rows = self.frame[bad]
            kept = rows.head(KEPT_REJECTS).itertuples(index=False, name=None)
            self.note(len(rows), reason, [dict(zip(rows.columns, row, strict=True)) for row in kept])
            self.frame = self.frame[~bad]

    def note(self, count: int, reason: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Count rejected rows that never came into the frame."""
        self.dropped[reason] += count
        for row in rows[: max(0, KEPT_REJECTS - len(self.rejects))]:
            line = json.dumps({"reason": reason, "row": row}, ensure_ascii=False, default=str)
            self.rejects.append(line)

    def require(self, columns: Sequence[str]) -> None:
        """Reject rows in which one of the columns is empty."""
        for column in columns:
            text = self.frame[column]
            self.reject(text.isna() | (text.str.strip() == ""), f"no_{column}")


def read_csv(path: Path, required: Sequence[str], delimiter: str = ",") -> DatasetRows:
    """Read a CSV file, plain or gzip, with every column as text; lines of another width are rejected.

    Raises:
        ValueError: a required column is missing, or the file is not CSV at all.
    """
    bad: list[dict[str, object]] = []

    def wrong_width(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        bad.append({"line": row.number, "columns": row.actual_columns, "text": row.text})
        return "skip"

    names = _header(path, delimiter)
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(f"{path}: found columns {names}, expected also {missing}")
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),  # or line numbers are not known
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=wrong_width
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False
        ),
    )
    rows = DatasetRows(pd.DataFrame({name: _decoded(table, name) for name in names}), table.num_rows + len(bad))
    if bad:
        rows.note(len(bad), "wrong_width", bad)
    rows.reject(rows.frame.isna().any(axis=1), "not_utf8")
    return rows


def read_parquet(path: Path, required: Sequence[str], column: str, value: str) -> DatasetRows:
    """Read columns of a Parquet file as text, of the rows whose `column` has the value.

    Raises:
        ValueError: a required column is missing.
    """
    names = pq.read_schema(path).names
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(f"{path}: found columns {names}, expected also {missing}")
    table = pq.read_table(path, columns=list(required), filters=[(column, "=", value)])
    frame = table.cast(pa.schema([pa.field(name, pa.string()) for name in required])).to_pandas()
    return DatasetRows(frame.fillna(""), len(frame))


def _header(path: Path, delimiter: str) -> list[str]:
    options = pyarrow.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
    )
    try:
        with pyarrow.csv.open_csv(path, parse_options=options) as reader:
            return list(reader.schema.names)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not readable as CSV ({error})") from error


def _decoded(table: pa.Table, name: str) -> pd.Series[str]:
    """Return a column as text, a missing value where the bytes are not UTF-8."""
    column = table.column(name)
    try:
        return column.cast(pa.string()).to_pandas()
    except pa.ArrowInvalid:
        text = column.to_pandas().str.decode("utf-8", errors="replace")
        return text.where(~text.str.contains("\N{REPLACEMENT CHARACTER}"))
