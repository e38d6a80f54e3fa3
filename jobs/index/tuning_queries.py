"""Queries that an index is tuned on: real dev queries, and their judgements for the cut-off."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.bundle.reader import POOL
from jobs.datasets.judgements import least
from jobs.lake.arrow import Strings, find, strings, where
from jobs.lake.read import Pinned, read_table
from models.ann.cutoff import JudgedLists, compare_cutoffs
from models.fusion.fit_fusion import FusionFit
from models.fusion.ranked_lists import Ranked


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


def fusion_facts(fit: FusionFit) -> dict[str, Any]:
    """Facts `fusion`, `fusions` by method, `fusion_by_class`, and `fusion_classes` that were tried."""
    return {
        "fusion": fit.weights._asdict(),
        "fusions": fit.methods,
        "fusion_by_class": {name: weights._asdict() for name, weights in fit.by_class.items()},
        "fusion_classes": fit.classes,
    }


def cutoff_facts(
    ranked: Ranked, cutoff: str, n_items: int = 0, relevant: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """The facts `cutoff`, which ships, and `cutoffs`, a row for each rule that was compared.

    ranked: lists as they are served, but for their end. cutoff: one of models.ann.cutoff's CHOICES. relevant: keys of
    `relevant_keys`; without them the rule is the knee.
    """
    judged = None
    if relevant is not None:
        keys = np.arange(len(ranked.items))[:, None] * n_items + ranked.items
        hits = np.isin(keys, relevant) & (ranked.items >= 0)
        counts = np.bincount(relevant // n_items, minlength=len(ranked.items))
        judged = JudgedLists(ranked.scores, hits, counts)
    chosen, rows = compare_cutoffs(ranked.scores, judged, cutoff, depth=POOL)
    return {"cutoff": asdict(chosen), "cutoffs": rows}
