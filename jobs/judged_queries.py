"""The queries that are judged in a split, with their texts."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import strings
from jobs.reading import Pinned, read_table


def judged_in(qrels: Pinned, split: str) -> set[str]:
    """Ids of the queries judged in a split."""
    return set(strings(read_table(qrels, ["query_id"], pc.field("split") == split), "query_id"))


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
