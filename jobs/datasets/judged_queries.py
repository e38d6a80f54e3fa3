"""The queries that are judged in a split, with their texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.arrow import strings, texts
from jobs.lake.read import Pinned, read_table
from models.evaluation.wording import words


def judged_in(qrels: Pinned, split: str) -> set[str]:
    """Ids of the queries judged in a split."""
    rows = read_table(qrels, ["query_id"], pc.field("split") == split)
    return set(texts(rows.column("query_id").unique()))  # a query has many judgements


def judged_queries(queries: Pinned, qrels: Pinned, split: str) -> pa.Table:
    """Give query_id and query of the queries judged in a split, in order of id.

    Raises:
        LookupError: none is judged, or a judged query has no text.
    """
    judged = judged_in(qrels, split)
    rows = read_table(queries, ["query_id", "query"])
    found = rows.filter(pc.field("query_id").isin(sorted(judged))).sort_by("query_id")
    if not len(judged) or len(found) != len(judged):
        raise LookupError(
            f"{qrels.partition}: {len(judged):,} queries judged in split {split}, {len(found):,} of"
            f" them in {queries.partition}; expected all, and at least one"
        )
    return found


def without_leaks(asked: pa.Table, learnt: Sequence[str]) -> tuple[pa.Table, int]:
    """Leave out queries that training saw under another spelling; also how many they are.

    Spellings are one query where they differ in case, diacritics, punctuation or the order of words alone: the split
    goes by the hash of the normalised text, which keeps those apart.
    """
    seen = {_same(text) for text in learnt}
    kept = np.array([_same(text) not in seen for text in strings(asked, "query")], np.bool_)
    return asked.filter(pa.array(kept)), int((~kept).sum())


def seen_queries(queries: Pinned, qrels: Pinned, wanted: int) -> pa.Table:
    """Judged queries of split train, so many at most, in order of id, which is a hash."""
    if not wanted or not judged_in(qrels, "train"):
        return read_table(queries, ["query_id", "query"]).slice(0, 0)
    return judged_queries(queries, qrels, "train").slice(0, wanted)


def _same(text: str) -> str:
    return " ".join(sorted(words(text))) or text
