"""Rankings and judgements -> measures, a verdict, a page.

python -m jobs report --rankings rankings/ds=2026-01-31/space=7f3a5c1e9b2d4a60 \\
    --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --queries queries/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --report report/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow.parquet as pq
from annotated_types import Ge, Interval

from jobs.bundle.files import write_json
from jobs.evaluation.gate_evidence import seed_noise
from jobs.evaluation.gather import gather
from jobs.evaluation.page import render
from jobs.evaluation.report_data import ReportData, ReportInputs
from jobs.evaluation.room import ReportRoom, room_of
from jobs.evaluation.second_relevance import ACTIONS, AUTO
from jobs.evaluation.summary import markdown, summarise
from jobs.lake.alias import CHAMPION
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, OneOf, PositiveInt
from jobs.platform.registry import set_challenger
from jobs.platform.tracking import MlflowRun, mlflow_run
from models.evaluation.gate import GateLimits

FILES = ("report.html", "summary.json", "summary.md", "verdict.json")


class Args(CommandArgs):
    """rankings          ranked lists of each arm, and facts about the index
    index             the bundle that was ranked: an index, or recommendations
    queries           their segments and texts; of sessions, holdout_queries
    qrels             judgements; of sessions, holdout_qrels
    items             catalogue, for titles, categories and brands
    report            output
    pairs             pairs that the towers were trained on; empty: those of their manifests; other items are new
    alt_relevance     second relevance, other qrels or impressions: do both rank the arms in the same order?
    alt_action        action that counts in impressions; auto: purchase where qrels are clicks
    min_relevance     relevance from which a judged item counts as relevant; 0: as the judgements' own scale says,
                      and so for zero_gain
    zero_gain         relevance that gains nothing in nDCG (1.0 on a scale that starts at 1)
    max_loss          loss per measure against the champion that the gate accepts, absolute
    max_segment_loss  the same within a segment, above which a significant loss stops the promotion
    min_support       queries below which a segment is shown and not judged
    sweep             sweep of several seeds, which measures how much towers differ by their seed alone
    seed_noise        the same by hand: standard deviation of R@60 over seeds; no smaller loss stops the promotion
    min_index_recall  overlap with exact search that the gate requires
    max_drop          loss of R@60, or of the room's own measure, against the last week, or against a fresh index, that
                      raises an alert
    max_age_days      age in days of the index in service that raises an alert
    max_cost_ratio    latency and memory that the gate accepts, as a multiple of the champion's
    """

    rankings: Partition
    index: Partition
    queries: Partition
    qrels: Partition
    items: Partition
    report: Partition
    pairs: Partition = NOWHERE
    alt_relevance: Partition = NOWHERE
    sweep: Partition = NOWHERE
    alt_action: Annotated[str, OneOf(AUTO, *ACTIONS)] = "auto"
    min_relevance: Annotated[float, FIRST] = 0.0
    zero_gain: Annotated[float, FIRST] = 0.0
    max_loss: Annotated[float, Interval(ge=0, lt=1), FIRST] = 0.01
    max_segment_loss: Annotated[float, Interval(ge=0, lt=1), FIRST] = 0.03
    min_support: Annotated[int, Ge(2)] = 50
    seed_noise: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    min_index_recall: Annotated[Fraction, FIRST] = 0.95
    max_cost_ratio: Annotated[float, Ge(1), FIRST] = 1.5
    max_drop: Annotated[float, Interval(gt=0, le=1)] = 0.05
    max_age_days: PositiveInt = 14

    def __post_init__(self) -> None:
        if self.min_relevance and self.zero_gain >= self.min_relevance:
            raise ValueError(
                f"zero_gain={self.zero_gain}, min_relevance={self.min_relevance}:"
                " an item that counts as relevant must gain something"
            )

    def limits(self, room: ReportRoom, seed_noise: float) -> GateLimits:
        """Losses that the gate tolerates. seed_noise: of R@60 over seeds."""
        return GateLimits(
            arms=room.gate_arms,
            measures=room.gate_measures,
            margin=self.max_loss,
            segment_margin=self.max_segment_loss,
            min_support=self.min_support,
            seed_noise=seed_noise,
            min_index_recall=self.min_index_recall,
            max_cost_ratio=self.max_cost_ratio,
        )


def main(args: Args) -> dict[str, Any]:
    """Measure, judge, and write the page."""
    inputs = _inputs(args)
    inputs.check()
    alias = inputs.rankings.facts.get("alias", CHAMPION)
    room = room_of(alias)
    noise = args.seed_noise or (seed_noise(inputs.sweep, room.gate_measures[0]) if inputs.sweep else 0.0)
    with mlflow_run("report", args, inputs.all) as tracked, publish(args.report, args, inputs.all) as out:
        out.mlflow_run_id = tracked.id
        settings = args.limits(room, noise), args.min_relevance, args.zero_gain, args.alt_action
        data = gather(room, args.report, inputs, *settings)
        summary = summarise(data, args.max_drop, args.max_age_days)
        _write(out, data, summary)
        _set_facts(out, data, summary)
        _log(tracked, data, summary, out)
    set_challenger(alias.partition("/")[0], inputs.index, summary["verdict"], args.report)
    outcome = {name: summary[name] for name in ("verdict", "reasons", "alerts")}
    return {"report": str(args.report), **outcome, "summary": markdown(data, summary)}


def _inputs(args: Args) -> ReportInputs:
    required = (args.rankings, args.index, args.queries, args.qrels, args.items)
    rankings, index, queries, qrels, items = map(pin, required)
    pairs, alternative, sweep = (
        pin(partition) if partition else None for partition in (args.pairs, args.alt_relevance, args.sweep)
    )
    return ReportInputs(rankings, index, queries, qrels, items, pairs, alternative, sweep)


def _write(out: Attempt, data: ReportData, summary: dict[str, Any]) -> None:
    """Write the page, the summary in two forms, the verdict, and the values of every query as tables."""
    tables = {"measures": data.evaluation.table(), "segments": data.evaluation.segment_table()}
    for name, table in tables.items():
        pq.write_table(table, out.folder / f"{name}.parquet", compression="zstd")
    write_json(summary, out.folder / "summary.json")
    write_json(data.verdict.to_dict(), out.folder / "verdict.json")
    (out.folder / "summary.md").write_text(markdown(data, summary), "utf-8")
    (out.folder / "report.html").write_text(render(data, summary), "utf-8")


def _set_facts(out: Attempt, data: ReportData, summary: dict[str, Any]) -> None:
    """Facts of the manifest: verdict, headline, the champion that was compared with, and queries left out."""
    evaluation, facts = data.evaluation, data.inputs.rankings.facts
    out.facts.update({name: summary[name] for name in ("verdict", "reasons", "alerts")})
    out.facts["headline"] = {arm: round(evaluation.means[arm][data.room.measure], 4) for arm in data.main}
    out.facts.update(compared=data.verdict.compared, champion=facts["champion"])
    out.facts["alias"] = facts.get("alias", CHAMPION)
    if "promotes" in facts:  # something else than an index: a ranker, recommendations
        out.facts["promotes"] = facts["promotes"]
    left_out, kept = evaluation.judgements.queries_without_relevant, len(evaluation.judgements)
    leaked = int(facts.get("leaked_queries", 0))
    reasons = {"no relevant item": left_out, "seen in training under another spelling": leaked}
    out.count("judged queries", kept + left_out + leaked, kept, reasons)


def _log(tracked: MlflowRun, data: ReportData, summary: dict[str, Any], out: Attempt) -> None:
    for arm, means in data.evaluation.means.items():
        tracked.measures({f"{arm}/{name}": value for name, value in means.items()})
    tracked.tags({"verdict": summary["verdict"]})
    for name in FILES:
        tracked.artifact(out.folder / name)
