"""The evidence that the gate reads: of the challenger, of the champion that was ranked beside it, and of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from jobs.bundle.latency import GATE_P99
from jobs.evaluation.measures import Evaluation, digest
from jobs.evaluation.room import ReportRoom
from jobs.lake.ancestry import Ancestor
from jobs.lake.arrow import numbers, where
from jobs.lake.read import Pinned, read_verdict
from models.evaluation.gate import Evidence, Floats
from models.evaluation.intervals import LEVEL


def gate_evidence(
    room: ReportRoom,
    evaluation: Evaluation,
    rows: pa.Table,
    rankings: Pinned,
    index: Pinned,
    judgements: pa.Table,
    ancestors: list[Ancestor],
) -> tuple[Evidence, Evidence | None]:
    """Evidence of the challenger, and of the champion where there is one. rows: the rankings."""
    facts = rankings.facts
    qrels_digest = digest(judgements, ["query_id", "item_id", "relevance"])

    def evidence(prefix: str, about: Mapping[str, Any]) -> Evidence:
        return Evidence(
            values=_values(room, evaluation, prefix),
            queries_digest=_ranked_queries(evaluation, rows, prefix + room.whole_arm),
            qrels_digest=qrels_digest,
            space_id=rankings.partition.values["space"],
            index_space_id=about["space_id"],
            index_recall=facts["index_recall"] if room.searches else None,
            recall_depth=facts["recall_depth"] if room.searches else None,
            canaries_frac=facts["own_vector_frac"] if room.searches else None,
            items=facts["items"],
            indexed=int(about["indexed"]),
            lost_items=facts["lost_items"],
            p99_ms=_p99_ms(about.get("latency_ms", {})),
            bytes=int(float(about.get("bytes_per_item", 0.0)) * int(about["indexed"])),
            data=verdicts(room.input_tables, ancestors, rankings.partition.ds),
        )

    challenger = evidence("", {**facts, "bytes_per_item": index.facts.get("bytes_per_item", 0.0)})
    if not facts["champion"]:
        return challenger, None
    champion = facts["champion"]
    return challenger, evidence("champion_", {**champion, "indexed": champion["items"]})


def _p99_ms(latency_ms: Mapping[str, float]) -> float:
    """The p99 of each query's fastest round; older rankings hold it, of the dense arm, as search_p99_ms."""
    return float(latency_ms.get(GATE_P99, latency_ms.get("search_p99_ms", 0.0)))


def verdicts(tables: Sequence[str], ancestors: list[Ancestor], ds: str) -> dict[str, str]:
    """Input partition of the day -> its data-quality verdict: pass, warn, stop or not checked."""
    inputs = [ancestor.pinned for ancestor in ancestors if ancestor.table in tables and ancestor.pinned is not None]
    return {
        str(pinned.partition): str(read_verdict(pinned).get("verdict", "not checked"))
        for pinned in inputs
        if pinned.partition.ds == ds
    }


def _ranked_queries(evaluation: Evaluation, rows: pa.Table, arm: str) -> str:
    """Digest of the judged queries that an arm has a list for: means over other queries must not be compared."""
    judged = pa.array(evaluation.judgements.query_ids)
    queries = where(rows, "arm", arm).group_by("query_id").aggregate([])
    return digest(queries.filter(pc.field("query_id").isin(judged)), ["query_id"])


def _values(room: ReportRoom, evaluation: Evaluation, prefix: str) -> dict[str, dict[str, Floats]]:
    return {
        arm: {name: evaluation.arms[prefix + arm].column(name) for name in room.gate_measures}
        for arm in room.compared_arms(evaluation.arms)
        if prefix + arm in evaluation.arms
    }


def seed_noise(sweep: Pinned, measure: str) -> float:
    """Bound of 95% on the difference of a measure between two trainings that differ in their seed alone.

    1.96 sqrt(2) s, where s is the spread over seeds, pooled over a sweep's trials of several seeds. A sweep stores
    Student's interval over seeds, from which s follows.

    Raises:
        LookupError: no trial was trained with several seeds.
    """
    rows = pq.read_table(sweep.path("measures.parquet"))
    rows = rows.filter(
        (pc.field("measure") == measure)
        & (pc.field("slice") == "all")
        & (pc.field("seeds") > 1)
        & pc.field("stage").isin(["in_batch", "star"])
    )
    if not rows.num_rows:
        raise LookupError(
            f"{sweep.partition}: no trial of several seeds; expected one at least: python -m jobs sweep --seeds 3"
        )
    seeds = numbers(rows, "seeds")
    half = (numbers(rows, "seeds_high") - numbers(rows, "seeds_low")) / 2
    spread = half * seeds**0.5 / stats.t.ppf((1 + LEVEL) / 2, seeds - 1)
    pooled = float(((seeds - 1) * spread**2).sum() / (seeds - 1).sum()) ** 0.5
    return float(stats.norm.ppf((1 + LEVEL) / 2) * 2**0.5 * pooled)
