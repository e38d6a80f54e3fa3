"""Seen and unseen: measures by whether training saw the queries and the items."""

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
class SeenUnseen:
    """Measures of one of four groups: queries and items that training saw or did not.

    means: arm -> measure -> interval.
    """

    query_seen: bool
    item_seen: bool
    queries: int
    means: dict[str, dict[str, Interval]]


def seen_unseen(
    rankings: pa.Table, qrels: pa.Table, known_items: Strings | None, min_relevance: float, zero_gain: float
) -> list[SeenUnseen]:
    """Measure each group by its own relevant items; those of the other group are removed from the lists first.

    qrels: query_id, item_id, relevance, split of all splits. Training saw the queries of split train; where its items
    are not known there are no groups.
    """
    if known_items is None:
        return []
    known = qrels.filter(pc.field("query_id").isin(rankings.column("query_id").unique()))
    relevant = pc.field("relevance") >= least(min_relevance)
    trained = pc.field("split") == "train"
    inside = pc.field("item_id").isin(known_items.cast(pa.string()))
    groups = []
    for query_seen in (True, False):
        mine = known.filter(trained if query_seen else ~trained)
        for item_seen in (True, False):
            some = mine.filter(inside if item_seen else ~inside)
            if not some.filter(relevant).num_rows:
                continue
            others = mine.filter((~inside if item_seen else inside) & relevant)
            shown = rankings.filter(pc.field("query_id").isin(some.column("query_id").unique()))
            evaluation = evaluate(without(shown, others), some, min_relevance, zero_gain)
            means = {
                arm: {name: span for name, span in evaluation.intervals(arm).items() if name in MEASURES}
                for arm in evaluation.arms
                if not arm.startswith("champion_")
            }
            groups.append(SeenUnseen(query_seen, item_seen, len(evaluation.judgements), means))
    return groups


def without(rankings: pa.Table, removed: pa.Table) -> pa.Table:
    """Remove some (query_id, item_id) from the lists, and close up the ranks."""
    rows = rankings.select(["arm", "query_id", "item_id", "rank"])
    if removed.num_rows:
        rows = rows.join(removed.select(["query_id", "item_id"]), ["query_id", "item_id"], join_type="left anti")
    rows = rows.sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    lists = (
        rows.column("arm").combine_chunks().dictionary_encode(),
        rows.column("query_id").combine_chunks().dictionary_encode(),
    )
    arm, query = (codes.indices.to_numpy(zero_copy_only=False).astype(np.int64) for codes in lists)
    starts = np.flatnonzero(np.diff(arm * (query.max(initial=0) + 1) + query, prepend=-1))
    first = np.repeat(starts, np.diff(np.append(starts, len(arm))))
    rank = pa.array((np.arange(len(arm)) - first + 1).astype(np.int32))
    return rows.set_column(rows.schema.get_field_index("rank"), "rank", rank)
