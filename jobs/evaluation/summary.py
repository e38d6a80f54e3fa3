"""What a report says in few words: summary.json for programs, summary.md for MLflow and a chat."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

from jobs.evaluation.comparisons import compare
from jobs.evaluation.history import alerts_of, as_rows, night_of
from jobs.evaluation.measures import digest
from jobs.evaluation.tables import Material
from jobs.platform.display import printable
from models.evaluation.caveats import HEADLINE, remarks
from models.evaluation.complement import found_only_by

SHOWN = ("R@10", "R@60", "RR@60", "nDCG@10")
DEPTH = 60
WORST = 5


def summarise(material: Material, max_drop: float, max_age_days: int) -> dict[str, Any]:
    """Everything that the page shows as figures, as JSON; max_drop, max_age_days: when to alert."""
    told = _figures(material)
    tonight = night_of(material.report, told, material.rankings.facts["champion"])
    alerts = alerts_of(material.nights, tonight, max_drop, max_age_days)
    return {**told, "nights": as_rows([*material.nights, tonight]), "alerts": alerts}


def _figures(material: Material) -> dict[str, Any]:
    found, verdict, rankings = material.found, material.verdict, material.rankings
    simulated = rankings.manifest.simulated
    hits = {arm: one for arm, one in found.hits.items() if arm in ("dense", "sparse")}
    return {
        "measures": found.means,
        "intervals": {arm: {name: tuple(span) for name, span in found.intervals(arm).items()} for arm in material.arms},
        "comparisons": [
            {**vars(one), "difference": tuple(one.difference), "said": one.said} for one in material.compared
        ],
        "segments": found.segment_means(),
        "support": found.support(),
        "segments_worst_first": [_plain(row) for row in material.segments],
        "dense_triggers": [f"{row['group']}: {row['name']}" for row in material.dense_helps if row["triggers"]],
        "found_only_by": found_only_by(found.judgements.judged, hits, DEPTH) if len(hits) > 1 else {},
        "variety": [vars(one) for one in material.variety],
        "cells": [
            {
                **vars(one),
                "means": {arm: {name: tuple(span) for name, span in means.items()} for arm, means in one.means.items()},
            }
            for one in material.cells
        ],
        "second_view": _second(material),
        "queries": len(found.judgements),
        "min_relevance": material.min_relevance,
        "zero_gain": found.judgements.zero_gain,
        "depth": found.depth,
        "qrels_digest": digest(material.judgements, ["query_id", "item_id", "relevance"]),
        "queries_without_relevant": found.judgements.queries_without_relevant,
        "split": rankings.facts["split"],
        "verdict": "pass" if verdict.passed else "stop",
        "reasons": verdict.reasons,
        "remarks": remarks(found.means, said_of(material), simulated, _coverage(material)),
        "simulated": simulated,
        "index": {name: material.index.facts[name] for name in ("factory", "nprobe", "items", "cutoff")},
        "index_recall": rankings.facts["index_recall"],
        "latency_ms": rankings.facts["latency_ms"],
    }


def markdown(material: Material, summary: dict[str, Any]) -> str:
    """The verdict, its reasons and the arms, for a chat; what people typed does not stand in it."""
    lines = [
        f"**{'Fit to serve' if summary['verdict'] == 'pass' else 'Held back'}** · `{material.report}`",
        "",
        *(f"- {_cell(reason)}" for reason in summary["reasons"]),
        *(f"- {_cell(remark)}" for remark in [*summary["alerts"], *summary["remarks"]]),
        "",
        f"| arm ({summary['queries']:,} queries) | {' | '.join(SHOWN)} |",
        f"|---|{'---|' * len(SHOWN)}",
    ]
    for arm in material.arms:
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


def _coverage(material: Material) -> dict[str, float]:
    """Share of the queries that each of the shop's own rankings answers."""
    facts = material.rankings.facts
    return {
        f"run_{stem}": one["judged_queries"] / max(1, facts["queries"]) for stem, one in facts.get("runs", {}).items()
    }


def said_of(material: Material) -> dict[tuple[str, str], str]:
    """(arm, against) -> better, worse or alike, by R@60."""
    return {(one.arm, one.against): one.said for one in material.compared if one.measure == HEADLINE}


def _second(material: Material) -> dict[str, Any]:
    """Means by the second view of relevance, and the pairs of arms that both views put in another order, each by more
    than chance."""
    if (second := material.second) is None:
        return {}
    arms = [arm for arm in material.own if arm in second.arms and not arm.startswith("hybrid_")]
    pairs = list(combinations(arms, 2))
    views = [compare(view, pairs, ("R@60",)) for view in (material.found, second)]
    turned = [
        (one.arm, one.against)
        for one, other in zip(*views, strict=True)
        if {one.said, other.said} == {"better", "worse"}
    ]
    order = sorted(arms, key=lambda arm: -material.found.means[arm]["R@60"])
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
