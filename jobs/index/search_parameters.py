"""What a whole index is worth: search parameters that hold the recall, latency, what is lost against exact search."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from jobs.embeddings.read_shards import exact_rankings
from jobs.index.assemble import Assembled
from jobs.index.inputs import Sources
from jobs.lake.arrow import Rows, Strings
from jobs.platform.arguments import FIRST, CommandArgs, PositiveInt
from models.ann.operating_points import Exam, least, least_k_factor, measured
from models.ann.search import settle
from models.training.batches import Known

log = logging.getLogger(__name__)
Vectors = NDArray[np.float32]


class RecallSettings(CommandArgs, kw_only=True):
    """recall_target   overlap with exact search that the search parameters must reach; 0.01 above what the gate
                    requires, which measures it on other queries
    recall_depth    first neighbours in which the overlap is measured
    tuning_queries  dev queries used for tuning
    """

    recall_target: Annotated[float, Interval(gt=0, le=1), FIRST] = 0.96
    recall_depth: PositiveInt = 100
    tuning_queries: PositiveInt = 1000


def examine(
    args: RecallSettings, source: Sources, made: Assembled, ids: Strings, queries: Vectors, relevant: list[Rows]
) -> dict[str, Any]:
    """Tune search parameters on real queries, settle them in the index, and measure it; facts of the bundle.

    What held the recall yesterday, of the same trained index, is tried first and kept where it still does.
    """
    exam = _exam(args, source, ids, queries, relevant)
    before = source.before(made.quantiser_id)
    tried = least(made.index, exam, args.recall_target, before)
    settings = least_k_factor(made.index, exam, args.recall_target, tried[-1][0])
    point = measured(made.index, made.factory, exam, settings, 0.0)
    if point.recall < args.recall_target:
        log.warning("%s: recall %.4f is all it has; finer codes are needed", made.factory, point.recall)
    settle(made.index, settings)
    dial = next((name for name in ("nprobe", "efSearch") if name in settings), "")
    return {
        "dim": queries.shape[1],
        "items": len(ids),
        "factory": made.factory,
        "quantiser_id": made.quantiser_id,
        "search": settings,
        "search_cached": settings == before,
        "nprobe": int(settings.get("nprobe", 0)),
        "recall": point.recall,
        "recall_depth": exam.exact.shape[1],
        "recall_target": args.recall_target,
        "tuning_queries": len(queries),
        "curve": sorted((int(found.get(dial, 0)), recall) for found, recall in tried),
        "dial": dial,
        "imbalance": made.imbalance,
        "latency_ms": {"p50_ms": point.p50_ms, "p99_ms": point.p99_ms, "cpu_ms": point.cpu_ms},
        "bytes_per_item": point.bytes_per_item,
        "lost": lost(exam.judged(exam.exact), point.judged),
    }


def _exam(args: RecallSettings, source: Sources, ids: Strings, queries: Vectors, relevant: list[Rows]) -> Exam:
    """Exact search in the whole catalogue, one batch of vectors in memory at a time."""
    depth = min(args.recall_depth, len(ids))
    exact, known_ids = exact_rankings(source.embeddings, queries, depth)
    if not known_ids.equals(ids):
        raise RuntimeError(f"{source.embeddings[0].partition}: its ids are not those of the codes")
    keys = relevant[0] if relevant else np.zeros(0, np.int64)
    known = Known(keys // len(ids), keys % len(ids), len(queries)) if len(keys) else None
    return Exam(queries, exact.items, known)


def lost(exact: dict[str, float], found: dict[str, float]) -> dict[str, dict[str, float]]:
    """By measure: what exact search has, what the index has, and the share that is lost; empty unjudged."""
    return {
        name: {"exact": value, "index": found[name], "lost_frac": 1 - found[name] / value if value else 0.0}
        for name, value in exact.items()
    }
