"""Rankings and judgements as TREC files, which any evaluation tool reads, and as rows of the lake's tables.

    run     query Q0 item rank score tag
    qrels   query 0 item relevance

The order of a run is its scores' alone, as trec_eval has it: read as float32, equals by the larger item id. The
rank that the file states is not believed.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from jobs.columns import Strings, large, numbers, pick, strings, table_of
from models.fusion import Ranked

_SPACE = re.compile(r"\s")
_RUN = ("query_id", "q0", "item_id", "rank", "score", "tag")
_QRELS = ("query_id", "iteration", "item_id", "relevance")
_NUMBERS = {"score": pa.float64(), "relevance": pa.float64()}


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

    White space would end a field: inside an id it becomes %20. Scores are printed as float32, which
    is what trec_eval reads: it then sees the same order, ties included.
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
            f"{query} Q0 {_SPACE.sub('%20', item)} {rank} {score} {arm}\n"
            for query, item, rank, score, arm in columns
        )


def read_run(path: Path) -> pa.Table:
    """Read a run file as rows query_id, item_id, rank (from 1), score, best first.

    Raises:
        ValueError: a line has other fields, a score is no number, or an item stands twice in a list; it says where.
    """
    return in_order(_read(path, _RUN).select(["query_id", "item_id", "score"]), path)


def in_order(rows: pa.Table, path: Path) -> pa.Table:
    """Put rows query_id, item_id, score in trec_eval's order and number them: query_id, item_id, rank, score.

    Raises:
        ValueError: a score is not finite, or an item stands twice in a list.
    """
    narrow = pc.cast(rows.column("score"), pa.float32())
    if not pc.all(pc.is_finite(narrow)).as_py():
        raise ValueError(f"{path}: a score is not finite; expected numbers that order a list")
    rows = rows.set_column(2, "score", narrow)
    rows = rows.sort_by([("query_id", "ascending"), ("score", "descending"), ("item_id", "descending")])  # fmt: skip
    query = large(rows.column("query_id").chunks)
    starts = np.concatenate([[True], pc.not_equal(query[1:], query[:-1]).to_numpy(zero_copy_only=False)])  # fmt: skip
    first = np.maximum.accumulate(np.where(starts, np.arange(len(query)), 0))
    rank = (np.arange(len(query)) - first + 1).astype(np.int32)
    once(rows, path)
    return rows.append_column("rank", pa.array(rank)).select(["query_id", "item_id", "rank", "score"])  # fmt: skip


def read_qrels(path: Path) -> pa.Table:
    """Read a qrels file as rows query_id, item_id, relevance.

    Raises:
        ValueError: a line has other fields, or a grade is no number; it says where.
    """
    rows = _read(path, _QRELS).select(["query_id", "item_id", "relevance"])
    once(rows, path)
    return rows


def _read(path: Path, names: tuple[str, ...]) -> pa.Table:
    """Parse fields between single spaces or tabs, at the speed of Arrow; anything else line by line."""
    with path.open("rb") as file:
        head = b"".join(islice(file, 100))
    if not head.strip():
        raise ValueError(f"{path}: it is empty; expected lines of {' '.join(names)}")
    types: dict[str, pa.DataType] = {name: _NUMBERS.get(name, pa.string()) for name in names}
    gaps = {mark for mark in (b" ", b"\t") if mark in head}
    if len(gaps) == 1 and b"  " not in head:
        delimiter = gaps.pop().decode()
        try:
            return pyarrow.csv.read_csv(
                path,
                pyarrow.csv.ReadOptions(column_names=list(names)),
                pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False),
                pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
            )
        except pa.ArrowInvalid:
            pass  # the slow way finds the line, or reads what is merely untidy
    return _line_by_line(path, names, types)


def _line_by_line(path: Path, names: tuple[str, ...], types: dict[str, pa.DataType]) -> pa.Table:
    rows: list[list[str]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != len(names):
                raise ValueError(
                    f"{path}: line {number:,} has {len(fields)} fields, expected {len(names)}:"
                    f" {' '.join(names)}"
                )
            rows.append(fields)
    columns: dict[str, object] = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        column = pa.array(values, pa.string())
        try:
            columns[name] = column.cast(types[name])
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path}: {name} must be a number: {error}") from None
    return table_of(columns)


def once(rows: pa.Table, path: Path) -> None:
    """Refuse rows in which an item stands twice for one query_id.

    Raises:
        ValueError: one does; it says which.
    """
    counts = rows.select(["query_id", "item_id"]).group_by(["query_id", "item_id"]).aggregate([([], "count_all")])  # fmt: skip
    again = counts.filter(pc.field("count_all") > 1)
    if again.num_rows:
        one = again.slice(0, 1).to_pylist()[0]
        raise ValueError(
            f"{path}: {again.num_rows:,} items stand twice for one query, such as {one['item_id']!r} for"
            f" {one['query_id']!r}; expected each once"
        )
