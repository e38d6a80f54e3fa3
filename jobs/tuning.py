"""What an index is tuned on: real dev queries, and their judgements for the cut-off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import find, strings, where
from jobs.reading import Pinned, read_table
from models.cutoff import Cutoff, fit_threshold
from models.fusion import Ranked


def tuning_queries(queries: Pinned, wanted: int) -> pa.Table:
    """Take dev queries (train where there is none) in the order of ids, which are hashes.

    Raises:
        LookupError: there is neither.
    """
    rows = read_table(queries, ["query_id", "query", "split"])
    for split in ("dev", "train"):
        found = where(rows, "split", split)
        if found.num_rows:
            return found.sort_by("query_id").slice(0, wanted)
    raise LookupError(f"{queries.partition}: no query of split dev or train to tune nprobe on")


def threshold_on(
    qrels: Pinned, min_relevance: float, asked: pa.Table, found: Ranked, ids: Sequence[str]
) -> Cutoff:
    """Fit the cut-off threshold to the judgements of the tuning queries.

    found: their ranking, in rows of ids.
    """
    rows = read_table(qrels, ["query_id", "item_id"], pc.field("relevance") >= min_relevance)
    query = find(strings(rows, "query_id"), strings(asked, "query_id"))
    item = find(strings(rows, "item_id"), ids)
    relevant = (query * len(ids) + item)[(query >= 0) & (item >= 0)]
    shown = np.arange(len(found.items))[:, None] * len(ids) + found.items
    return fit_threshold(found.scores, np.isin(shown, relevant) & (found.items >= 0))
