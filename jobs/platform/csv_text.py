"""CSV as shops write it: its columns, its delimiter, and the quotes and encodings that readers would silently misread."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.csv

from jobs.lake import storage as store
from jobs.platform.file_kinds import foreign

DELIMITERS = ",;\t|"
MAX_FIELD_CHARS = 1 << 20  # a longer field is many records that a quote swallowed
_LINE_BREAK = re.compile(r"(?:\r\n|\r|\n)+")
_END = "\x1e"  # a record of its own behind the last line, unless a quote swallows it
OnInvalid = Callable[[pyarrow.csv.InvalidRow], Literal["skip", "error"]]


class CsvError(ValueError):
    """Reason why a CSV file cannot be read rightly; it quotes no value, and the caller names the file."""


@dataclass(frozen=True)
class CsvHeader:
    """First record of a CSV file."""

    names: list[str]
    delimiter: str

    def require(self, needed: Sequence[str], used: Sequence[str] = ()) -> None:
        """Refuse a file without a column that is needed, or with two of one name.

        Raises:
            CsvError: names the columns found.
        """
        if missing := [name for name in needed if name not in self.names]:
            raise CsvError(f"found columns {self.names}, expected also {missing}")
        counts = Counter(self.names)
        if twice := [name for name in (*needed, *used) if counts[name] > 1]:
            raise CsvError(f"found column {twice[0]!r} {counts[twice[0]]} times, expected once; which of them counts?")


def csv_header(uri: str) -> CsvHeader:
    """Header of a CSV file, plain or gzip.

    Raises:
        CsvError: it is empty or not UTF-8.
    """
    with _lines(uri) as lines:
        return _header(lines)


def check_csv(uri: str) -> CsvHeader:
    """Header of a CSV file whose quotes all close where they should.

    Inch marks and quoted line breaks are fine. A quote that opens a field and swallows the records after it is not: other
    readers return a file of a few long fields, and say nothing. Nor is one behind a backslash: what follows would be cut.

    Raises:
        CsvError: names the line of such a quote.
    """
    with _lines(uri) as lines:
        header = _header(lines)
        try:
            line, fault = _stray_quote(lines, header)
        except OSError:
            raise CsvError("damaged: it cannot be unpacked to its end") from None
        if line:
            raise CsvError(
                f'line {line + 1} (data line {line}): {fault}; write a quote inside a quoted field twice (""), or export'
                " without quotes around the field"
            )
    return header


def read_csv(
    uri: str, header: CsvHeader, types: Mapping[str, pa.DataType], on_invalid: OnInvalid | None = None
) -> pa.Table:
    """Columns of a CSV file. types: name -> type; on_invalid: as in pyarrow, for records of another width."""
    names = [str(number) for number in range(len(header.names))]  # other columns may share a name
    wanted = {names[header.names.index(name)]: kind for name, kind in types.items()}
    system, path = store.filesystem(uri)
    with system.open_input_stream(path) as stream:
        table = pyarrow.csv.read_csv(
            cast(BinaryIO, stream),
            # with threads the numbers of invalid lines are not known
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=1, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=on_invalid
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=wanted, include_columns=list(wanted), strings_can_be_null=False
            ),
        )
    return table.rename_columns(list(types))


def delimiter_of(line: str) -> str:
    """The delimiter that a header has most often."""
    return max(DELIMITERS, key=line.count)


def _lines(uri: str) -> io.TextIOWrapper:
    system, path = store.filesystem(uri)
    stream = system.open_input_stream(path)
    # a byte that is not UTF-8 stays visible; only a header with one is refused
    return io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, stream), 1 << 20), "utf-8-sig", "surrogateescape", newline=""
    )


def _header(lines: io.TextIOWrapper) -> CsvHeader:
    csv.field_size_limit(MAX_FIELD_CHARS)
    try:
        first = lines.readline(MAX_FIELD_CHARS)
    except OSError:
        raise CsvError("damaged: it cannot be unpacked") from None
    if kind := foreign(first.encode("utf-8", "surrogateescape")):
        raise CsvError(kind)
    if any("\udc80" <= letter <= "\udcff" for letter in first):
        raise CsvError(
            "its header is not UTF-8 but perhaps Windows-1252 or -1250; convert it: iconv -f WINDOWS-1252 -t UTF-8"
        )
    delimiter = delimiter_of(first)
    try:
        names = [name.strip() for name in next(csv.reader(chain([first], lines), delimiter=delimiter), [])]
    except csv.Error as error:
        raise CsvError(f"its header is not readable ({error})") from None
    if not names:
        raise CsvError("empty; expected a header")
    return CsvHeader(names, delimiter)


def _stray_quote(lines: Iterable[str], header: CsvHeader) -> tuple[int, str]:
    """Number of the line behind the header whose quoted field would be misread, and why; 0 if there is none."""
    swallows = "a quoted field begins there and swallows the lines after it"
    seen = [""]
    reader = csv.reader(_remember(lines, seen), delimiter=header.delimiter, strict=True)
    first = 1
    while True:
        try:
            for row in reader:
                if reader.line_num > first and _swallows(row, header):
                    return first, swallows
                first = reader.line_num + 1
            return 0, ""
        except csv.Error:
            # text behind a closing quote, as in `"Nora" mill`, is harmless while the record ends with its line
            if reader.line_num > first or _stays_open(seen[0], header.delimiter):
                return first, swallows
            if '\\"' in seen[0]:
                return first, 'a quote behind a backslash (\\") ends its field there, as RFC 4180 has it'
            first = reader.line_num + 1


def _remember(lines: Iterable[str], seen: list[str]) -> Iterator[str]:
    for line in lines:
        seen[0] = line
        yield line
    yield _END


def _stays_open(line: str, delimiter: str) -> bool:
    try:
        return len(list(csv.reader([line, _END], delimiter=delimiter))) == 1
    except csv.Error:
        return False


def _swallows(row: Sequence[str], header: CsvHeader) -> bool:
    """Whether each line that a field spans would be a record of its own; a comma before a space is prose."""
    mark = re.compile(f"{re.escape(header.delimiter)}(?! )")
    for place, field in enumerate(row):
        widths = [len(mark.findall(line)) + 1 for line in _LINE_BREAK.split(field)]
        widths[0] += place
        widths[-1] += len(row) - place - 1
        if len(widths) > 1 and all(width == len(header.names) for width in widths):
            return True
    return False
