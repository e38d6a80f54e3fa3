"""A second view of relevance beside the judgements: what shoppers clicked, put in the cart or bought on the day."""

from __future__ import annotations

import logging

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import least, relevance_scale
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.lake.read import Pinned, read_table

log = logging.getLogger(__name__)
ACTS = {
    "click": ("is_click", "is_cart", "is_purchase"),
    "cart": ("is_cart", "is_purchase"),
    "purchase": ("is_purchase",),
}
AUTO = "auto"
FEWEST = 10  # queries below which two views are not compared


def second_view(second: Pinned, act: str, shown: pa.Table, judgements: pa.Table, depth: int) -> Evaluation | None:
    """The same rankings by the second view, over its own queries among those ranked; None where it has too few.

    second: other qrels, or impressions. act: what counts in impressions: click, cart, purchase (each with what
    is louder); auto: purchases where the judgements are clicks, clicks where they are people's labels.
    """
    ranked = pc.field("query_id").isin(shown.column("query_id").unique())
    if second.partition.name == "impressions":
        labelled = "labels" in judgements.column("source").unique().to_pylist()
        rows = _acts(second, ("click" if labelled else "purchase") if act == AUTO else act)
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


def _acts(impressions: Pinned, act: str) -> pa.Table:
    """query_id, item_id, relevance 1 of what was clicked, or more."""
    counts = [pc.field(name) for name in ACTS[act]]
    where = counts[0]
    for one in counts[1:]:
        where = where | one
    rows = read_table(impressions, ["query_id", "item_id"], where)
    once = rows.group_by(["query_id", "item_id"]).aggregate([])
    return once.append_column("relevance", pa.repeat(1.0, once.num_rows))
