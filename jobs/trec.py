"""Rankings as rows of the lake's table and as TREC run files, which any evaluation tool reads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.columns import Strings, numbers, pick, strings, table_of
from models.fusion import Ranked

_SPACE = re.compile(r"\s")


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
