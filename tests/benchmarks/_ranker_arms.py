"""Rankers judged as `reranked` judges them, for benchmarks: the first stage and each ranker, query by query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.bundle.reader import RERANKED, Bundle
from jobs.bundle.reranker import Reranker
from jobs.datasets.judgements import judged_queries, relevance_scale
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.lake.arrow import strings
from jobs.lake.read import Pinned, read_table
from jobs.platform.trec import rows_of
from models.evaluation.intervals import mean_interval
from models.fusion.ranked_lists import first
from tests.benchmarks._compare import tell

Floats = NDArray[np.float64]
DEPTH = 100


def judged_arms(
    bundle: Bundle, queries: Pinned, qrels: Pinned, split: str, rankers: Mapping[str, Reranker]
) -> Evaluation:
    """Arm hybrid and rankers by name, over the judged queries of a split with a relevant item; the unjudged counts as 0."""
    asked = judged_queries(queries, qrels, split)
    texts, ids = strings(asked, "query"), strings(asked, "query_id")
    ranked = {"hybrid": bundle.rank(texts, DEPTH, RERANKED)["hybrid"]}
    ranked |= {name: first(bundle.reranked(texts, each), DEPTH) for name, each in rankers.items()}
    rows = pa.concat_tables([rows_of(name, ids, lists, bundle.item_ids) for name, lists in ranked.items()])
    judged = read_table(qrels, ["query_id", "item_id", "relevance", "split"]).filter(pc.field("split") == split)
    return evaluate(rows, judged, *relevance_scale(qrels, 0.0), DEPTH)


def tell_gain(name: str, ours: Floats, peer: Floats, peer_name: str, varied: str, unit: str = "nDCG@10") -> None:
    """Print a comparison of two arms [seeds, Q] with the paired interval of the gain over queries and seeds."""
    gain = mean_interval(ours - peer)
    mine, theirs = float(ours.mean()), float(peer.mean())
    tell(name, mine, theirs, peer_name, mine / theirs, unit, f"gain {gain.low:+.4f} to {gain.high:+.4f}; {varied}")
