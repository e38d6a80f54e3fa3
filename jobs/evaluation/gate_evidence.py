"""What the gate is shown: of the challenger and of the champion that was ranked beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.evaluation.measures import Evaluation, digest
from jobs.lake.ancestry import Ancestor
from jobs.lake.arrow import where
from jobs.lake.read import Pinned, read_verdict
from models.evaluation.evidence import ARMS, MEASURES, Evidence, Floats

# what the day's index comes from; towers and earlier days were judged when they were made
JUDGED_ROOMS = (
    "items",
    "impressions",
    "click_counts",
    "query_counts",
    "propensities",
    "pairs",
    "queries",
    "qrels",
    "embeddings",
    "rankings",
)


def gate_input(
    found: Evaluation, rows: pa.Table, rankings: Pinned, index: Pinned, judgements: pa.Table, back: list[Ancestor]
) -> tuple[Evidence, Evidence | None]:
    """Evidence of the challenger, and of the champion where there is one."""
    facts = rankings.facts
    judged = digest(judgements, ["query_id", "item_id", "relevance"])

    def evidence(prefix: str, about: Mapping[str, Any]) -> Evidence:
        return Evidence(
            values=_values(found, prefix),
            queries_digest=_answered(found, rows, f"{prefix}dense"),
            qrels_digest=judged,
            space_id=rankings.partition.values["space"],
            index_space_id=about["space_id"],
            index_recall=facts["index_recall"],
            recall_depth=facts["recall_depth"],
            canaries_frac=facts["own_vector_frac"],
            items=facts["items"],
            indexed=int(about["indexed"]),
            lost_items=facts["lost_items"],
            p99_ms=float(about.get("latency_ms", {}).get("search_p99_ms", 0.0)),
            bytes=int(float(about.get("bytes_per_item", 0.0)) * int(about["indexed"])),
            data=verdicts(back, rankings.partition.ds),
        )

    ours = evidence("", {**facts, "bytes_per_item": index.facts.get("bytes_per_item", 0.0)})
    if not facts["champion"]:
        return ours, None
    served = facts["champion"]
    return ours, evidence("champion_", {**served, "indexed": served["items"]})


def verdicts(back: list[Ancestor], ds: str) -> dict[str, str]:
    """Input partition of the day -> what its data-quality check said: pass, warn, stop or not checked."""
    pinned = [one.pinned for one in back if one.room in JUDGED_ROOMS and one.pinned is not None]
    return {
        str(one.partition): str(read_verdict(one).get("verdict", "not checked"))
        for one in pinned
        if one.partition.ds == ds
    }


def _answered(found: Evaluation, rows: pa.Table, arm: str) -> str:
    """Names the judged queries that an arm has a list for: means over others must not be compared."""
    mine = (
        where(rows, "arm", arm)
        .group_by("query_id")
        .aggregate([])
        .filter(pc.field("query_id").isin(pa.array(found.judgements.query_ids)))
    )
    return digest(mine, ["query_id"])


def _values(found: Evaluation, prefix: str) -> dict[str, dict[str, Floats]]:
    return {
        arm: {name: found.arms[prefix + arm].column(name) for name in MEASURES}
        for arm in ARMS
        if prefix + arm in found.arms
    }
