"""Rankings that other engines delivered: TREC run files, or Parquet with the queries as typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.lake.arrow import pick, table_of, texts
from jobs.lake.read import Pinned
from jobs.platform.spark_udfs import clean_ids
from jobs.platform.trec import in_order, once, read_run
from models.text.normalise import normalise_query, query_id

RUN_ENDINGS = (".trec", ".run", ".txt", ".parquet")
_STEM = re.compile(r"[a-z0-9_]{1,63}")


def stems(names: Sequence[str]) -> list[str]:
    """Names of the report's arms, one per file.

    Raises:
        ValueError: a file name makes no valid arm name, or two files make the same one.
    """
    file_stems = [name.rpartition(".")[0] for name in names]
    for name, stem in zip(names, file_stems, strict=True):
        if _STEM.fullmatch(stem) is None or not name.endswith(RUN_ENDINGS):
            raise ValueError(
                f"{name!r}: expected small letters, digits and _ (1 to 63), then {', '.join(RUN_ENDINGS)};"
                " the name becomes the arm's"
            )
        if file_stems.count(stem) > 1:
            raise ValueError(f"{name!r}: another file makes an arm run_{stem} too; rename one")
    return file_stems


def read_runs(pinned: Pinned) -> dict[str, pa.Table]:
    """Rankings by file stem: rows of query_id, item_id in the catalogue's form, rank from 1 and score, best first.

    Raises:
        ValueError: a file name, a line or a column is not as expected.
    """
    names = [entry.name for entry in pinned.entries()]
    return {
        stem: _read_parquet(path) if path.suffix == ".parquet" else read_run(path, clean_ids)
        for stem, path in zip(stems(names), map(pinned.path, names), strict=True)
    }


def _read_parquet(path: Path) -> pa.Table:
    """Read rows of query (as typed), item_id, and score or rank; spellings of one query are merged into one list.

    If two spellings rank the same item, its better rank counts. A rank without a score becomes the score -rank (Borda).
    """
    rows = pq.read_table(path)
    by = next((name for name in ("score", "rank") if name in rows.column_names), "")
    if not by or not {"query", "item_id"} <= set(rows.column_names):
        raise ValueError(f"{path}: found columns {rows.column_names}, expected query, item_id, and score or rank")
    if any(rows.column(name).null_count for name in ("query", "item_id", by)):
        raise ValueError(f"{path}: a row has no query, item_id or {by}; expected all three in each")
    try:
        score = pc.cast(rows.column(by), pa.float64())
        item = clean_ids(cast(pa.StringArray, pc.cast(rows.column("item_id"), pa.string()).combine_chunks()))
        typed = pc.cast(rows.column("query"), pa.string()).combine_chunks().dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{path}: not readable as a ranking ({error})") from error
    once(table_of({"query_id": typed.cast(pa.string()), "item_id": item}), path)
    ids = pa.array([query_id(normalise_query(text)) for text in texts(typed.dictionary)], pa.string())
    query = pick(ids, typed.indices.to_numpy(zero_copy_only=False))
    scored = table_of({"query_id": query, "item_id": item, "score": pc.negate(score) if by == "rank" else score})
    best = scored.group_by(["query_id", "item_id"]).aggregate([("score", "max")])
    return in_order(best.rename_columns(["query_id", "item_id", "score"]), path)
