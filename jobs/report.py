"""Rankings and judgements -> measures, the gate's verdict, and a page that a person can decide on.

python -m jobs.report --rankings rankings/ds=2026-01-31/towers=7f3a5c1e9b2d4a60 \\
    --index index/ds=2026-01-31/towers=7f3a5c1e9b2d4a60 --queries queries/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --report report/ds=2026-01-31/towers=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.attempt import Attempt
from jobs.bundle_files import write_json
from jobs.cli import run
from jobs.evaluation import Evaluation, digest, evaluate
from jobs.lake import Partition
from jobs.publish import publish
from jobs.reading import Pinned, pin, read_table
from jobs.report_page import render
from jobs.report_tables import Material
from jobs.scale import scale
from jobs.tracking import MlflowRun, mlflow_run
from models.gate import Evidence, Limits, Verdict, judge
from models.remarks import remarks

log = logging.getLogger(__name__)
OURS = ("dense", "sparse", "hybrid")


@dataclass(frozen=True)
class Args:
    """rankings          what each arm shows, and what was found out about the index
    index             the bundle that was ranked
    queries           their segments and texts
    qrels             judgements
    items             catalogue, for the titles of examples
    report            output
    min_relevance     relevance from which a judged item counts as relevant; 0: as the judgements'
                      own scale says, and so for zero_gain
    zero_gain         relevance that is worth nothing in nDCG (1.0 on a scale that starts at 1)
    margin            loss that the gate tolerates per measure against the champion, absolute
    min_index_recall  overlap with exact search that the gate wants
    """

    rankings: Partition
    index: Partition
    queries: Partition
    qrels: Partition
    items: Partition
    report: Partition
    min_relevance: float = 0.0
    zero_gain: float = 0.0
    margin: float = 0.01
    min_index_recall: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1 or not 0 <= self.min_index_recall <= 1:
            raise ValueError("margin must be in [0, 1) and min_index_recall in [0, 1]")
        if self.min_relevance and self.zero_gain >= self.min_relevance:
            raise ValueError(
                f"zero_gain={self.zero_gain}, min_relevance={self.min_relevance}:"
                " an item that counts as relevant must gain something"
            )


def main(args: Args) -> dict[str, Any]:
    """Measure, judge, and write the page."""
    rankings, index, queries, qrels, items = (
        pin(one) for one in (args.rankings, args.index, args.queries, args.qrels, args.items)
    )
    _same_versions(rankings, index, queries, qrels)
    inputs = [rankings, index, queries, qrels, items]
    with mlflow_run("report", args, inputs) as tracked, publish(args.report, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        shown = read_table(rankings)
        judgements = _judgements(qrels, rankings.facts["split"])
        asked = read_table(queries, ["query_id", "query", "searches", "segment"])
        relevant, zero = scale(qrels, args.min_relevance, args.zero_gain)
        found = evaluate(shown, judgements, asked, relevant, zero)
        limits = Limits(args.margin, args.min_index_recall)
        verdict = judge(*_evidence(found, rankings, judgements), limits)
        summary = _summary(found, rankings, index, verdict)
        pq.write_table(found.table(), out.folder / "measures.parquet", compression="zstd")
        write_json(summary, out.folder / "summary.json")
        write_json(verdict.to_dict(), out.folder / "verdict.json")
        titles = read_table(items, ["item_id", "title"])
        material = Material(
            args.report, found, verdict, summary, shown, judgements, asked, titles, rankings, index
        )
        (out.folder / "report.html").write_text(render(material, relevant), "utf-8")
        out.facts.update({name: summary[name] for name in ("verdict", "reasons")})
        out.facts.update(compared=verdict.compared, champion=rankings.facts["champion"])
        out.count(
            "judged queries",
            len(found.judged.query_ids) + found.judged.queries_without_relevant,
            len(found.judged.query_ids),
            {"no relevant item": found.judged.queries_without_relevant},
        )
        _log(tracked, found, verdict, out)
    return {"report": str(args.report), "verdict": summary["verdict"], "reasons": verdict.reasons}


def _same_versions(rankings: Pinned, *others: Pinned) -> None:
    """Refuse to judge rankings by anything else than what they were made from."""
    ranked = {(one.partition, one.manifest_sha256) for one in rankings.manifest.inputs}
    for other in others:
        if (str(other.partition), other.manifest_sha256) not in ranked:
            raise RuntimeError(
                f"{rankings.partition}: not made from {other.partition} as it stands now"
                f" (manifest {other.manifest_sha256[:12]}); rank again"
            )


def _judgements(qrels: Pinned, split: str) -> pa.Table:
    columns = ["query_id", "item_id", "relevance", "split", "source"]
    return read_table(qrels, columns, pc.field("split") == split)


def _evidence(
    found: Evaluation, rankings: Pinned, judgements: pa.Table
) -> tuple[Evidence, Evidence | None]:
    """What the gate sees of the challenger, and of the champion where it was ranked too."""
    facts = rankings.facts
    means = found.means

    def evidence(arms: Mapping[str, Mapping[str, float]], indexed: int, space: str) -> Evidence:
        return Evidence(
            measures=arms,
            queries_digest=digest(judgements, ["query_id"]),
            qrels_digest=digest(judgements, ["query_id", "item_id", "relevance"]),
            space_id=rankings.partition.values["towers"],
            index_space_id=space,
            index_recall=facts["index_recall"],
            recall_depth=facts["recall_depth"],
            canaries_frac=facts["own_vector_frac"],
            items=facts["items"],
            indexed=indexed,
            lost_items=facts["lost_items"],
        )

    ours = evidence({arm: means[arm] for arm in OURS}, facts["indexed"], facts["space_id"])
    if not facts["champion"]:
        return ours, None
    theirs = {arm: means[f"champion_{arm}"] for arm in OURS}
    return ours, evidence(theirs, facts["champion"]["items"], facts["champion"]["space_id"])


def _summary(
    found: Evaluation, rankings: Pinned, index: Pinned, verdict: Verdict
) -> dict[str, Any]:
    simulated = rankings.manifest.simulated
    return {
        "measures": found.means,
        "segments": found.segment_means(),
        "support": found.support(),
        "queries": len(found.judged.query_ids),
        "queries_without_relevant": found.judged.queries_without_relevant,
        "split": rankings.facts["split"],
        "verdict": "pass" if verdict.passed else "stop",
        "reasons": verdict.reasons,
        "remarks": remarks(found.means, simulated),
        "simulated": simulated,
        "index": {name: index.facts[name] for name in ("factory", "nprobe", "items", "cutoff")},
        "index_recall": rankings.facts["index_recall"],
        "latency_ms": rankings.facts["latency_ms"],
    }


def _log(tracked: MlflowRun, found: Evaluation, verdict: Verdict, out: Attempt) -> None:
    for arm, means in found.means.items():
        tracked.measures({f"{arm}/{name}": value for name, value in means.items()})
    tracked.tags({"verdict": "pass" if verdict.passed else "stop"})
    for name in ("report.html", "summary.json", "verdict.json"):
        tracked.artifact(out.folder / name)


if __name__ == "__main__":
    run(Args, main)
