"""A second view of relevance beside the judgements: items that shoppers clicked, put in the cart or bought."""

from __future__ import annotations

import logging
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import least, relevance_scale
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.lake.read import Pinned, read_table

log = logging.getLogger(__name__)
ACTIONS = {
    "click": ("is_click", "is_cart", "is_purchase"),
    "cart": ("is_cart", "is_purchase"),
    "purchase": ("is_purchase",),
}
AUTO = "auto"
FEWEST = 10  # queries below which two views are not compared


def second_view(second: Pinned, action: str, shown: pa.Table, judgements: pa.Table, depth: int) -> Evaluation | None:
    """The same rankings by the second view, over its own queries among those ranked; None where it has too few.

    second: other qrels, or impressions. action: what counts in impressions: click, cart or purchase, each with the
    stronger ones; auto: purchases where the judgements are clicks, clicks where they are people's labels.
    """
    ranked = pc.field("query_id").isin(shown.column("query_id").unique())
    if second.partition.name == "impressions":
        labelled = "labels" in judgements.column("source").unique().to_pylist()
        rows = _actions(second, ("click" if labelled else "purchase") if action == AUTO else action)
        relevant, zero = 1.0, 0.0
    else:
        rows = read_table(second, ["query_id", "item_id", "relevance"])
        relevant, zero = relevance_scale(second, 0.0)
    rows = rows.filter(ranked)
    queries = len(rows.filter(pc.field("relevance") >= least(relevant)).column("query_id").unique())
    if queries < FEWEST:
        log.warning("%s: judges %d of the ranked queries, too few for a second view", second.partition, queries)
        return None
    return evaluate(shown, rows, relevant, zero, depth)


def _actions(impressions: Pinned, action: str) -> pa.Table:
    """Rows query_id, item_id, relevance 1 of the items on which the action, or a stronger one, was taken."""
    where = reduce(or_, (pc.field(name) for name in ACTIONS[action]))
    rows = read_table(impressions, ["query_id", "item_id"], where)
    once = rows.group_by(["query_id", "item_id"]).aggregate([])
    return once.append_column("relevance", pa.repeat(1.0, once.num_rows))
