"""Seen and unseen: what towers can do for queries and items that they learnt from, and for those that they did not."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import Strings
from jobs.evaluation import evaluate
from models.intervals import Interval

MEASURES = ("R@60", "RR@60")


@dataclass(frozen=True)
class Cell:
    """One of four: queries and items that training saw or did not. means: arm -> measure -> interval."""

    query_seen: bool
    item_seen: bool
    queries: int
    means: dict[str, dict[str, Interval]]


def cells(
    rankings: pa.Table, qrels: pa.Table, learnt: Strings, min_relevance: float, zero_gain: float
) -> list[Cell]:
    """Measure each cell by the relevant items that are in it; others count neither for nor against.

    qrels: query_id, item_id, relevance, split of all splits. Queries of split train are those that were seen.
    """
    ranked = rankings.column("query_id").unique()
    known = qrels.filter(pc.field("query_id").isin(ranked))
    asked = pc.field("split") == "train"
    inside = pc.field("item_id").isin(learnt.cast(pa.string()))
    found = []
    for query_seen in (True, False):
        for item_seen in (True, False):
            some = known.filter((asked if query_seen else ~asked) & (inside if item_seen else ~inside))  # fmt: skip
            if not some.filter(pc.field("relevance") >= min_relevance).num_rows:
                continue
            one = evaluate(rankings, some, min_relevance, zero_gain)
            means = {
                arm: {name: span for name, span in one.intervals(arm).items() if name in MEASURES}
                for arm in one.arms
                if not arm.startswith("champion_")
            }
            found.append(Cell(query_seen, item_seen, len(one.judgements), means))
    return found
