"""Rankings and judgements -> measures, the gate's verdict, and a page that a person can decide on.

python -m jobs report --rankings rankings/ds=2026-01-31/space=7f3a5c1e9b2d4a60 \\
    --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --queries queries/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --report report/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from jobs.bundle.files import write_json
from jobs.evaluation.gather import Sources, gather
from jobs.evaluation.page import render
from jobs.evaluation.second_relevance import ACTS, AUTO
from jobs.evaluation.seed_noise import seed_noise
from jobs.evaluation.summary import markdown, summarise
from jobs.evaluation.tables import Material
from jobs.lake.alias import CHAMPION
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.registry import tell_challenger
from jobs.platform.tracking import MlflowRun, mlflow_run
from models.evaluation.evidence import Limits

FILES = ("report.html", "summary.json", "summary.md", "verdict.json")


@dataclass(frozen=True)
class Args:
    """rankings          what each arm shows, and what was found out about the index
    index             the bundle that was ranked
    queries           their segments and texts
    qrels             judgements
    items             catalogue, for titles, categories and brands
    report            output
    pairs             pairs that the towers learnt from, if not those of their own manifests: items not among them are new
    alt_relevance            optional second view of relevance, other qrels or impressions: do both rank the arms alike?
    alt_action        what counts in impressions: click, cart, purchase; auto: purchase where qrels are clicks
    min_relevance     relevance from which a judged item counts as relevant; 0: as the judgements'
                      own scale says, and so for zero_gain
    zero_gain         relevance that is worth nothing in nDCG (1.0 on a scale that starts at 1)
    max_loss            loss that the gate tolerates per measure against the champion, absolute
    max_segment_loss    the same in a segment, beyond which a significant loss stops
    min_support       queries below which a segment is shown, and not judged
    sweep             optional sweep of several seeds: how far trainings differ by their seed alone is the noise
    seed_noise  the same by hand: spread of R@60 over trainings that differ in their seed (a sweep tells it): no smaller loss stops
    min_index_recall  overlap with exact search that the gate wants
    max_drop          fall of R@60 against the last week, or against a fresh index, from which somebody is told
    max_age_days      age of the index in service from which somebody is told
    max_cost_ratio         latency and memory that the gate tolerates, in times the champion's
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
    alt_action: str = "auto"
    min_relevance: float = 0.0
    zero_gain: float = 0.0
    max_loss: float = 0.01
    max_segment_loss: float = 0.03
    min_support: int = 50
    seed_noise: float = 0.0
    min_index_recall: float = 0.95
    max_cost_ratio: float = 1.5
    max_drop: float = 0.05
    max_age_days: int = 14

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < 1 or not 0 <= self.min_index_recall <= 1:
            raise ValueError("max_loss must be in [0, 1) and min_index_recall in [0, 1]")
        if not 0 <= self.max_segment_loss < 1 or not 0 <= self.seed_noise < 1:
            raise ValueError("max_segment_loss and seed_noise must be in [0, 1)")
        if self.alt_action not in (AUTO, *ACTS):
            raise ValueError(f"alt_action={self.alt_action}: expected {AUTO}, {', '.join(ACTS)}")
        if self.min_support < 2 or self.max_cost_ratio < 1:
            raise ValueError("min_support must be 2 or more, max_cost_ratio 1 or more")
        if not 0 < self.max_drop <= 1 or self.max_age_days < 1:
            raise ValueError("max_drop must be in (0, 1], max_age_days 1 or more")
        if self.min_relevance and self.zero_gain >= self.min_relevance:
            raise ValueError(
                f"zero_gain={self.zero_gain}, min_relevance={self.min_relevance}:"
                " an item that counts as relevant must gain something"
            )

    def limits(self, seed_noise: float) -> Limits:
        """What the gate tolerates. seed_noise: of R@60 over seeds."""
        return Limits(
            margin=self.max_loss,
            segment_margin=self.max_segment_loss,
            min_support=self.min_support,
            seed_noise=seed_noise,
            min_index_recall=self.min_index_recall,
            max_cost_ratio=self.max_cost_ratio,
        )


def main(args: Args) -> dict[str, Any]:
    """Measure, judge, and write the page."""
    source = _sources(args)
    source.check()
    found_noise = args.seed_noise or max(map(seed_noise, source.sweep), default=0.0)
    with mlflow_run("report", args, source.all) as tracked, publish(args.report, args, source.all) as out:
        out.mlflow_run_id = tracked.id
        given = args.limits(found_noise), args.min_relevance, args.zero_gain, args.alt_action
        material = gather(args.report, source, *given)
        summary = summarise(material, args.max_drop, args.max_age_days)
        _write(out, material, summary)
        _state(out, material, summary)
        _log(tracked, material, summary, out)
    room = source.rankings.facts.get("alias", CHAMPION).partition("/")[0]
    tell_challenger(room, source.index, summary["verdict"], args.report)
    told = {name: summary[name] for name in ("verdict", "reasons", "alerts")}
    return {"report": str(args.report), **told, "summary": markdown(material, summary)}


def _sources(args: Args) -> Sources:
    rankings, index, queries, qrels, items = (
        pin(one) for one in (args.rankings, args.index, args.queries, args.qrels, args.items)
    )
    pairs, second, sweep = ([pin(one)] if one else [] for one in (args.pairs, args.alt_relevance, args.sweep))
    return Sources(rankings, index, queries, qrels, items, pairs, second, sweep)


def _write(out: Attempt, material: Material, summary: dict[str, Any]) -> None:
    """The page, the summary in two forms, the verdict, and the values of every query as tables."""
    found = material.found
    for name, table in (("measures", found.table()), ("segments", found.segment_table())):
        pq.write_table(table, out.folder / f"{name}.parquet", compression="zstd")
    write_json(summary, out.folder / "summary.json")
    write_json(material.verdict.to_dict(), out.folder / "verdict.json")
    (out.folder / "summary.md").write_text(markdown(material, summary), "utf-8")
    (out.folder / "report.html").write_text(render(material, summary), "utf-8")


def _state(out: Attempt, material: Material, summary: dict[str, Any]) -> None:
    """What the manifest says: verdict, headline, whom it was compared with, and which queries were left out."""
    found, facts = material.found, material.rankings.facts
    out.facts.update({name: summary[name] for name in ("verdict", "reasons", "alerts")})
    out.facts["headline"] = {arm: round(found.means[arm]["R@60"], 4) for arm in material.main}
    out.facts.update(compared=material.verdict.compared, champion=facts["champion"])
    out.facts["alias"] = facts.get("alias", CHAMPION)
    left_out, kept = found.judgements.queries_without_relevant, len(found.judgements)
    leaked = int(facts.get("leaked_queries", 0))
    reasons = {"no relevant item": left_out, "seen in training under another spelling": leaked}
    out.count("judged queries", kept + left_out + leaked, kept, reasons)


def _log(tracked: MlflowRun, material: Material, summary: dict[str, Any], out: Attempt) -> None:
    for arm, means in material.found.means.items():
        tracked.measures({f"{arm}/{name}": value for name, value in means.items()})
    tracked.tags({"verdict": summary["verdict"]})
    for name in FILES:
        tracked.artifact(out.folder / name)
