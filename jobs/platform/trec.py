"""Rankings and judgements as TREC files, which any evaluation tool reads, and as rows of the lake's tables.

    run     query Q0 item rank score tag
    qrels   query 0 item relevance

The order of a run follows from its scores alone, as in trec_eval: read as float32, ties by the larger item id. The rank
column is ignored.

Arrow parses the file, because the libraries are slower: 4,000,000 lines took 1.1 CPU-seconds (pandas.read_csv 5.5,
ir_measures.read_trec_run 8.7), and reading, ordering and checking 2,000,000 lines 3.2 (pandas 12.1).
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from jobs.lake.arrow import Strings, large, numbers, pick, strings, table_of
from jobs.platform.file_kinds import GZIP, ZSTD, foreign
from models.fusion.ranked_lists import Ranked

_SPACE = re.compile(r"\s")
_RUN = ("query_id", "q0", "item_id", "rank", "score", "tag")
_QRELS = ("query_id", "iteration", "item_id", "relevance")
_NUMBERS = {"score": pa.float64(), "relevance": pa.float64()}
_LINES_AT_ONCE = 1 << 16
# a file is what its first bytes say, whatever its name
_PACKED = {GZIP: "gzip", ZSTD: "zstd"}


def rows_of(arm: str, query_ids: list[str], ranked: Ranked, item_ids: Strings) -> pa.Table:
    """Lay a ranking out as rows: arm, query_id, item_id, rank from 1, score."""
    query, place = np.nonzero(ranked.items >= 0)
    return table_of(
        {
            "arm": [arm] * len(query),
            "query_id": pick(pa.array(query_ids, pa.string()), query),
            "item_id": pick(item_ids, ranked.items[query, place]).cast(pa.string()),
            "rank": (place + 1).astype(np.int32),
            "score": ranked.scores[query, place].astype(np.float64),
        }
    )


def write_trec(rows: pa.Table, path: Path) -> None:
    """Write a run file: query Q0 item rank score tag.

    White space would end a field: inside an id it becomes %20, and is not turned back when read. Scores are printed as
    float32, as trec_eval reads them, so it sees the same order, ties included.
    """
    columns = zip(
        strings(rows, "query_id"),
        strings(rows, "item_id"),
        numbers(rows, "rank").tolist(),
        numbers(rows, "score").astype(np.float32).astype(str).tolist(),
        strings(rows, "arm"),
        strict=True,
    )
    with path.open("w", encoding="utf-8") as file:
        file.writelines(
            f"{query} Q0 {_SPACE.sub('%20', item)} {rank} {score} {arm}\n" for query, item, rank, score, arm in columns
        )


def read_run(path: Path, clean: Callable[[pa.StringArray], pa.StringArray] | None = None) -> pa.Table:
    """Read a run file as rows query_id, item_id, rank (from 1), score, best first.

    Ids are kept as they are: NULL is an id like any other. A %20 stays one, because it may be part of the id.
    clean: brings the ids of items into the form of a catalogue.

    Raises:
        ValueError: a line has other fields, a score is no number, or a list has an item twice; it says where.
    """
    rows = _read(path, _RUN, ["query_id", "item_id", "score"])
    if clean is not None:
        ids = [clean(cast(pa.StringArray, chunk)) for chunk in rows.column("item_id").chunks]
        rows = rows.set_column(1, "item_id", pa.chunked_array(ids, pa.string()))
    return in_order(rows, path)


def in_order(rows: pa.Table, path: Path) -> pa.Table:
    """Put rows query_id, item_id, score in trec_eval's order and number them: query_id, item_id, rank, score.

    Raises:
        ValueError: a score is not finite, or a list has an item twice.
    """
    narrow = pc.cast(rows.column("score"), pa.float32())
    if not pc.all(pc.is_finite(narrow), skip_nulls=False).as_py():
        raise ValueError(f"{path}: a score is not finite; expected numbers that order a list")
    rows = rows.set_column(2, "score", narrow)
    rows = rows.sort_by([("query_id", "ascending"), ("score", "descending"), ("item_id", "descending")])
    query = large(rows.column("query_id").chunks)
    starts = np.concatenate([[True], pc.not_equal(query[1:], query[:-1]).to_numpy(zero_copy_only=False)])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(query)), 0))
    rank = (np.arange(len(query)) - first + 1).astype(np.int32)
    once(rows, path)
    return rows.append_column("rank", pa.array(rank)).select(["query_id", "item_id", "rank", "score"])


def read_qrels(path: Path) -> pa.Table:
    """Read a qrels file as rows query_id, item_id, relevance.

    Raises:
        ValueError: a line has other fields, a grade is no finite number, or an item is judged twice; it says where.
    """
    rows = _read(path, _QRELS, ["query_id", "item_id", "relevance"])
    if not pc.all(pc.is_finite(rows.column("relevance"))).as_py():
        raise ValueError(f"{path}: a relevance is not finite; expected grades such as 0, 1, 2")
    once(rows, path)
    return rows


def arm_of(path: Path) -> str:
    """The name of a run file's arm: the file's, without its endings `.gz` or `.zst` and one more."""
    return (path.with_suffix("") if path.suffix in (".gz", ".zst") else path).stem


def _opened(path: Path) -> Any:
    """The bytes of a file, plain, gzip or zstd, as Arrow's stream.

    Raises:
        ValueError: it is no text.
    """
    with path.open("rb") as file:
        head = file.read(100)
    codec: Any = next((codec for mark, codec in _PACKED.items() if head.startswith(mark)), None)
    if codec is None and (kind := foreign(head)):
        raise ValueError(f"{path}: it is {kind}; expected lines of text, plain, gzip or zstd")
    return pa.input_stream(str(path), compression=codec)


def _read(path: Path, names: tuple[str, ...], wanted: list[str]) -> pa.Table:
    """Read a file, and name it in every error."""
    try:
        return _fields(path, names, wanted)
    except OSError as error:
        if error.errno is not None:  # of the file system, which names the file
            raise
        raise ValueError(f"{path}: cannot be read to its end ({error}); is it cut off or damaged?") from None


def _fields(path: Path, names: tuple[str, ...], wanted: list[str]) -> pa.Table:
    """Parse fields between single spaces or tabs with Arrow; anything else line by line."""
    with BufferedReader(_opened(path)) as file:
        head = b"".join(islice(file, 100))
    types: dict[str, pa.DataType] = {name: _NUMBERS.get(name, pa.string()) for name in wanted}
    gaps = [mark for mark in (" ", "\t") if mark.encode() in head]
    if len(gaps) == 1 and b"  " not in head:
        try:
            # NULL, NA or nan may be the name of an item; of a number they are nothing
            rows = pyarrow.csv.read_csv(
                _opened(path),
                pyarrow.csv.ReadOptions(column_names=list(names)),
                pyarrow.csv.ParseOptions(delimiter=gaps[0], quote_char=False),
                pyarrow.csv.ConvertOptions(column_types=types, include_columns=wanted, null_values=[]),
            )
            if _tidy(rows, "\t" if gaps[0] == " " else " "):
                return rows
        except pa.ArrowInvalid:
            pass  # the slow way finds the line, or reads what is merely untidy
    return _line_by_line(path, names, types)


def _tidy(rows: pa.Table, other: str) -> bool:
    """Whether no id is empty or holds the other separator, so that each separator stood between two fields."""
    ids = [column for column in rows.columns if pa.types.is_string(column.type)]
    return all(pc.min(pc.binary_length(column)).as_py() for column in ids) and not any(
        pc.any(pc.match_substring(column, other)).as_py() for column in ids
    )


def _line_by_line(path: Path, names: tuple[str, ...], types: dict[str, pa.DataType]) -> pa.Table:
    """Parse fields between any white space, _LINES_AT_ONCE lines at a time, to bound memory."""
    parts = []
    with BufferedReader(_opened(path)) as file:
        lines = enumerate(file, 1)
        while block := list(islice(lines, _LINES_AT_ONCE)):
            parts.append(_parsed(block, path, names, types))
    rows = pa.concat_tables(parts) if parts else None
    if rows is None or not rows.num_rows:
        raise ValueError(f"{path}: it is empty; expected lines of {' '.join(names)}")
    return rows


def _parsed(
    lines: list[tuple[int, bytes]], path: Path, names: tuple[str, ...], types: dict[str, pa.DataType]
) -> pa.Table:
    rows = []
    for number, line in lines:
        # bytes end at the white space of ASCII alone, as in trec_eval
        fields = (line.removeprefix(BOM_UTF8) if number == 1 else line).split()
        if fields and len(fields) != len(names):
            raise ValueError(
                f"{path}: line {number:,} has {len(fields)} fields, expected {len(names)}: {' '.join(names)}"
            )
        if fields:
            rows.append(fields)
    columns: dict[str, object] = {}
    for name, kind in types.items():
        values = [fields[names.index(name)] for fields in rows]
        try:
            columns[name] = pa.array(values, pa.binary()).cast(pa.string()).cast(kind)
        except pa.ArrowInvalid as error:
            expected = "text in UTF-8" if pa.types.is_string(kind) else "a number"
            raise ValueError(
                f"{path}: lines {lines[0][0]:,} to {lines[-1][0]:,}: {name} must be {expected}: {error}"
            ) from None
    return table_of(columns)


def once(rows: pa.Table, path: Path) -> None:
    """Refuse rows that have an item twice for one query_id.

    Raises:
        ValueError: names the first such item.
    """
    counts = rows.select(["query_id", "item_id"]).group_by(["query_id", "item_id"]).aggregate([([], "count_all")])
    again = counts.filter(pc.field("count_all") > 1)
    if again.num_rows:
        first = again.slice(0, 1).to_pylist()[0]
        raise ValueError(
            f"{path}: {again.num_rows:,} items stand twice for one query, such as {first['item_id']!r} for"
            f" {first['query_id']!r}; expected each once"
        )
