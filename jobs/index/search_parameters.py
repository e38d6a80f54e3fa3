"""Search parameters of a filled index: the cheapest that reach the recall target, and its figures with them."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from jobs.embeddings.read_shards import exact_rankings
from jobs.index.assemble import FilledIndex
from jobs.lake.arrow import Rows, Strings
from jobs.lake.read import Pinned
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, PositiveInt
from models.ann.exact import Vectors
from models.ann.operating_points import Exam, OperatingPoint, cheapest_settings, lowest_k_factor, measure_point
from models.ann.search import settle
from models.training.batches import Known

log = logging.getLogger(__name__)
MIN_LABELLED = 50  # dev queries with a relevant item


class RecallSettings(CommandArgs, kw_only=True):
    """recall_target   overlap with exact search that the search parameters must reach; 0.01 above what the gate
                    requires, which measures it on other queries
    recall_depth    first neighbours in which the overlap is measured
    tuning_queries  dev queries used for tuning; labelled ones first
    max_label_loss  share of exact search's R@60 that the search parameters may lose by people's labels, where 50
                    dev queries or more have them
    """

    recall_target: Annotated[float, Interval(gt=0, le=1), FIRST] = 0.96
    recall_depth: PositiveInt = 100
    tuning_queries: PositiveInt = 1000
    max_label_loss: Fraction = 0.01


def tune_search(
    settings: RecallSettings,
    filled: FilledIndex,
    embeddings: list[Pinned],
    ids: Strings,
    queries: Vectors,
    relevant: Rows | None,
    earlier: dict[str, float],
    labelled: bool = False,
) -> dict[str, Any]:
    """Find the cheapest search parameters that reach the recall, set them in the index, measure it; returns facts.

    embeddings: all shards, for exact search in the whole catalogue. queries [Q, D]: real ones. relevant: keys
    query row * len(ids) + item row; labelled: people judged them. earlier: parameters of the previous index, tried
    first and kept while they hold.

    Raises:
        RuntimeError: the embeddings hold other items than the index.
    """
    exam = _exam(settings, embeddings, ids, queries, relevant, labelled)
    tried = cheapest_settings(filled.index, exam, settings.recall_target, earlier)
    search = lowest_k_factor(filled.index, exam, settings.recall_target, tried[-1][0])
    point = measure_point(filled.index, filled.factory, exam, search, 0.0)
    if point.recall < settings.recall_target:
        log.warning("%s: recall %.4f is the most it reaches; finer codes are needed", filled.factory, point.recall)
    settle(filled.index, search)
    return {
        "dim": int(filled.index.d),
        "items": len(ids),
        **{name: getattr(filled, name) for name in ("factory", "quantiser_id", "imbalance")},
        "search_cached": search == earlier,
        **_point_facts(point),
        **_search_facts(tried, search),
        "recall_depth": exam.exact.shape[1],
        "recall_target": settings.recall_target,
        "tuning_queries": len(queries),
        "label_loss_limit": exam.max_lost,
        "lost": lost(exam.judged(exam.exact), point.judged),
    }


def _search_facts(tried: list[tuple[dict[str, float], float]], search: dict[str, float]) -> dict[str, Any]:
    """The parameters, the one that was turned, and the recall at each value of it that was tried."""
    dial = next((name for name in ("nprobe", "efSearch") if name in search), "")
    curve = sorted((int(parameters.get(dial, 0)), recall) for parameters, recall in tried)
    return {"search": search, "nprobe": int(search.get("nprobe", 0)), "curve": curve, "dial": dial}


def _point_facts(point: OperatingPoint) -> dict[str, Any]:
    latency_ms = {name: getattr(point, name) for name in ("p50_ms", "p99_ms", "cpu_ms")}
    return {"recall": point.recall, "latency_ms": latency_ms, "bytes_per_item": point.bytes_per_item}


def _exam(
    settings: RecallSettings,
    embeddings: list[Pinned],
    ids: Strings,
    queries: Vectors,
    relevant: Rows | None,
    labelled: bool,
) -> Exam:
    """Exact search in the whole catalogue, one batch of vectors in memory at a time."""
    depth = min(settings.recall_depth, len(ids))
    exact = exact_rankings(embeddings, queries, depth)
    if not exact.ids.equals(ids):
        raise RuntimeError(f"{embeddings[0].partition}: its ids are not those of the codes")
    known = None
    if relevant is not None and len(relevant):
        known = Known(relevant // len(ids), relevant % len(ids), len(queries))
    enough = labelled and relevant is not None and len(np.unique(relevant // len(ids))) >= MIN_LABELLED
    return Exam(queries, exact.ranked.items, known, exact.equal, settings.max_label_loss if enough else 1.0)


def lost(exact: dict[str, float], approximate: dict[str, float]) -> dict[str, dict[str, float]]:
    """By measure: the value of exact search, that of the index, and the fraction lost; empty without judgements."""
    return {
        name: {"exact": value, "index": approximate[name], "lost_frac": 1 - approximate[name] / value if value else 0.0}
        for name, value in exact.items()
    }
