"""Seen and unseen: what towers can do for queries and items that they learnt from, and for those that they did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import least
from jobs.evaluation.measures import evaluate
from jobs.lake.arrow import Strings
from models.evaluation.intervals import Interval

MEASURES = ("R@60", "RR@60")


@dataclass(frozen=True)
class Cell:
    """One of four: queries and items that training saw or did not. means: arm -> measure -> interval."""

    query_seen: bool
    item_seen: bool
    queries: int
    means: dict[str, dict[str, Interval]]


def cells(rankings: pa.Table, qrels: pa.Table, learnt: Strings, min_relevance: float, zero_gain: float) -> list[Cell]:
    """Measure each cell by the relevant items that are in it; those of the other cell leave the lists first.

    qrels: query_id, item_id, relevance, split of all splits. Queries of split train are those that were seen.
    """
    known = qrels.filter(pc.field("query_id").isin(rankings.column("query_id").unique()))
    relevant = pc.field("relevance") >= least(min_relevance)
    asked = pc.field("split") == "train"
    inside = pc.field("item_id").isin(learnt.cast(pa.string()))
    found = []
    for query_seen in (True, False):
        mine = known.filter(asked if query_seen else ~asked)
        for item_seen in (True, False):
            some = mine.filter(inside if item_seen else ~inside)
            if not some.filter(relevant).num_rows:
                continue
            others = mine.filter((~inside if item_seen else inside) & relevant)
            shown = rankings.filter(pc.field("query_id").isin(some.column("query_id").unique()))
            one = evaluate(without(shown, others), some, min_relevance, zero_gain)
            means = {
                arm: {name: span for name, span in one.intervals(arm).items() if name in MEASURES}
                for arm in one.arms
                if not arm.startswith("champion_")
            }
            found.append(Cell(query_seen, item_seen, len(one.judgements), means))
    return found


def without(rankings: pa.Table, gone: pa.Table) -> pa.Table:
    """The lists without some (query_id, item_id), ranks closed up."""
    rows = rankings.select(["arm", "query_id", "item_id", "rank"])
    if gone.num_rows:
        rows = rows.join(gone.select(["query_id", "item_id"]), ["query_id", "item_id"], join_type="left anti")
    rows = rows.sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    lists = (
        rows.column("arm").combine_chunks().dictionary_encode(),
        rows.column("query_id").combine_chunks().dictionary_encode(),
    )
    arm, query = (one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in lists)
    starts = np.flatnonzero(np.diff(arm * (query.max(initial=0) + 1) + query, prepend=-1))
    first = np.repeat(starts, np.diff(np.append(starts, len(arm))))
    rank = pa.array((np.arange(len(arm)) - first + 1).astype(np.int32))
    return rows.set_column(rows.schema.get_field_index("rank"), "rank", rank)
