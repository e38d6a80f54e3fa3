"""The summary of a report: summary.json for programs, summary.md for MLflow and a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from jobs.evaluation.comparisons import compare
from jobs.evaluation.history import alerts_of, as_rows, night_of
from jobs.evaluation.measures import digest
from jobs.evaluation.report_data import ReportData
from jobs.platform.html import printable
from models.evaluation.arm_overlap import found_only_by
from models.evaluation.caveats import HEADLINE, caveats
from models.evaluation.intervals import Interval

SHOWN = ("R@10", "R@60", "RR@60", "nDCG@10")
DEPTH = 60
WORST = 5


def summarise(data: ReportData, max_drop: float, max_age_days: int) -> dict[str, Any]:
    """Everything that the page shows as figures, as JSON; max_drop, max_age_days: when to alert."""
    figures = _figures(data)
    tonight = night_of(data.report, figures, data.inputs.rankings.facts["champion"], data.room)
    alerts = alerts_of(data.nights, tonight, max_drop, max_age_days)
    return {**figures, "nights": as_rows([*data.nights, tonight]), "alerts": alerts}


def _figures(data: ReportData) -> dict[str, Any]:
    evaluation, verdict, rankings = data.evaluation, data.verdict, data.inputs.rankings
    simulated = rankings.manifest.simulated
    arms = evaluation.arms
    # what is to be said of dense and sparse, the report of their own room says
    remarkable = {arm: evaluation.means[arm] for arm in data.main} if data.room.pairs else evaluation.means
    hits = {arm: shown for arm, shown in evaluation.hits.items() if arm in ("dense", "sparse")}
    return {
        "measures": evaluation.means,
        "intervals": {arm: _spans(evaluation.intervals(arm)) for arm in data.arms},
        "comparisons": _comparisons(data),
        "segments": evaluation.by_segment(lambda queries: {arm: values.means(queries) for arm, values in arms.items()}),
        "support": evaluation.by_segment(lambda queries: int(queries.sum())),
        "segments_worst_first": [_plain(row) for row in data.segments],
        "dense_triggers": [f"{row['group']}: {row['name']}" for row in data.dense_helps if row["triggers"]],
        "found_only_by": found_only_by(evaluation.judgements.judged, hits, DEPTH) if len(hits) > 1 else {},
        "variety": [vars(row) for row in data.variety],
        "seen_unseen": [
            {**vars(row), "means": {arm: _spans(means) for arm, means in row.means.items()}} for row in data.seen_unseen
        ],
        "second_view": _second(data),
        "queries": len(evaluation.judgements),
        "min_relevance": data.min_relevance,
        "zero_gain": evaluation.judgements.zero_gain,
        "depth": evaluation.depth,
        "qrels_digest": digest(data.rows.judgements, ["query_id", "item_id", "relevance"]),
        "queries_without_relevant": evaluation.judgements.queries_without_relevant,
        "split": rankings.facts["split"],
        "verdict": "pass" if verdict.passed else "stop",
        "reasons": verdict.reasons,
        "remarks": caveats(remarkable, said_of(data), simulated, _coverage(data)),
        "simulated": simulated,
        "index": {name: data.inputs.index.facts[name] for name in ("factory", "nprobe", "items", "cutoff")},
        "dense_skipped": _skipped(data),
        "index_recall": rankings.facts["index_recall"],
        "latency_ms": rankings.facts["latency_ms"],
    }


def markdown(data: ReportData, summary: dict[str, Any]) -> str:
    """The verdict, its reasons and the arms, for a chat; what people typed does not stand in it."""
    lines = [
        f"**{'Fit to serve' if summary['verdict'] == 'pass' else 'Held back'}** · `{data.report}`",
        "",
        *(f"- {_cell(reason)}" for reason in summary["reasons"]),
        *(f"- {_cell(remark)}" for remark in [*summary["alerts"], *summary["remarks"]]),
        "",
        f"| arm ({summary['queries']:,} queries) | {' | '.join(SHOWN)} |",
        f"|---|{'---|' * len(SHOWN)}",
    ]
    for arm in data.arms:
        spans = summary["intervals"][arm]
        cells = (f"{spans[name][0]:.3f} [{spans[name][1]:.3f}, {spans[name][2]:.3f}]" for name in SHOWN)
        lines.append(f"| {_cell(arm)} | {' | '.join(cells)} |")
    worst = [row for row in summary["segments_worst_first"] if row["said"] == "worse"][:WORST]
    if worst:
        lines += ["", "Segments that lost:"]
        lines += [
            f"- {_cell(row['group'])}: {_cell(row['name'])}, {row['moved'][0]:+.3f} ({row['queries']:,} queries)"
            for row in worst
        ]
    return "\n".join(lines) + "\n"


def _spans(intervals: Mapping[str, Interval]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(span) for name, span in intervals.items()}


def _comparisons(data: ReportData) -> list[dict[str, Any]]:
    return [{**vars(row), "difference": tuple(row.difference), "said": row.said} for row in data.compared]


def _skipped(data: ReportData) -> dict[str, Any]:
    """Classes of queries that are served without the dense arm, the dev queries' R@60 with it and as served, and the
    milliseconds of one core that a query saves on average; empty for an index of older code."""
    facts = data.inputs.index.facts.get("dense_triggers")
    if not facts:
        return {}
    clock = data.inputs.rankings.facts["latency_ms"]
    saved_ms = facts["queries_frac"] * (clock.get("encode_p50_ms", 0.0) + clock.get("dense_p50_ms", 0.0))
    return {**facts, "saved_ms": saved_ms}


def _coverage(data: ReportData) -> dict[str, float]:
    """Share of the queries that each of the shop's own rankings answers."""
    facts = data.inputs.rankings.facts
    return {
        f"run_{stem}": run["judged_queries"] / max(1, facts["queries"]) for stem, run in facts.get("runs", {}).items()
    }


def said_of(data: ReportData) -> dict[tuple[str, str], str]:
    """(arm, against) -> better, worse or alike, by R@60."""
    return {(row.arm, row.against): row.said for row in data.compared if row.measure == HEADLINE}


def _second(data: ReportData) -> dict[str, Any]:
    """Means by the second view of relevance, and the pairs of arms that both views put in another order, each by more
    than chance."""
    if (second := data.second) is None:
        return {}
    arms = [arm for arm in data.own if arm in second.arms and not arm.startswith("hybrid_")]
    pairs = list(combinations(arms, 2))
    views = [compare(view, pairs, ("R@60",)) for view in (data.evaluation, second)]
    turned = [
        (row.arm, row.against)
        for row, other in zip(*views, strict=True)
        if {row.said, other.said} == {"better", "worse"}
    ]
    order = sorted(arms, key=lambda arm: -data.evaluation.means[arm]["R@60"])
    return {
        "intervals": {arm: {"R@60": tuple(second.intervals(arm)["R@60"])} for arm in arms},
        "measures": second.means,
        "queries": len(second.judgements),
        "alike": not turned,
        "turned": turned,
        "arms": order,
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    moved = row.get("moved")
    return {**row, "moved": None if moved is None else tuple(moved), "said": row.get("said", "")}


def _cell(text: str) -> str:
    """A category's name, say: nothing in it may be read as a table or as markup."""
    plain = printable(text, 200)
    for mark in "\\`*_|<>[]#&~":
        plain = plain.replace(mark, f"\\{mark}")
    # a bare address, or a name that a chat would call, is neither here
    plain = re.sub(r"@(?=[A-Za-z])", "@\u200b", plain)
    return plain.replace("://", ":\u200b//").replace("www.", "www\u200b.")
