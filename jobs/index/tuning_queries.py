"""What an index is tuned on: real dev queries, and their judgements for the cut-off."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.datasets.judgements import least
from jobs.lake.arrow import Strings, find, strings, where
from jobs.lake.read import Pinned, read_table
from models.ann.cutoff import JudgedLists, compare_cutoffs
from models.fusion.fit import Fitted
from models.fusion.ranked_lists import Ranked

POOL = 200


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


def relevant_keys(qrels: Pinned, min_relevance: float, asked: pa.Table, ids: Strings) -> NDArray[np.int64]:
    """Every relevant item of the tuning queries, as query row * len(ids) + item row."""
    rows = read_table(qrels, ["query_id", "item_id"], pc.field("relevance") >= least(min_relevance))
    query = find(strings(rows, "query_id"), strings(asked, "query_id"))
    item = find(strings(rows, "item_id"), ids)
    keys: NDArray[np.int64] = (query * len(ids) + item)[(query >= 0) & (item >= 0)]
    return keys


def fusion_facts(fitted: Fitted) -> dict[str, Any]:
    """How hybrid votes: facts `fusion`, `fusions` by method, `fusion_by_class`, `fusion_classes` that were tried."""
    return {
        "fusion": fitted.vote._asdict(),
        "fusions": fitted.methods,
        "fusion_by_class": {name: vote._asdict() for name, vote in fitted.by_class.items()},
        "fusion_classes": fitted.classes,
    }


def end_lists(
    dense: Ranked, cutoff: str, n_items: int = 0, relevant: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """The facts `cutoff`, which ships, and `cutoffs`, a row for each rule that was compared.

    cutoff: one of models.ann.cutoff's CHOICES. relevant: keys of `relevant_keys`; without them the knee stays.
    """
    judged = None
    if relevant is not None:
        shown = np.arange(len(dense.items))[:, None] * n_items + dense.items
        hits = np.isin(shown, relevant) & (dense.items >= 0)
        counts = np.bincount(relevant // n_items, minlength=len(dense.items))
        judged = JudgedLists(dense.scores, hits, counts)
    chosen, rows = compare_cutoffs(dense.scores, judged, cutoff)
    return {"cutoff": asdict(chosen), "cutoffs": rows}
