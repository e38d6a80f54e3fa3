"""The tables of a report as rows that the template prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from jobs.evaluation.report_data import ARMS, ReportData
from jobs.lake.ancestry import Ancestor
from jobs.lake.arrow import strings
from jobs.lake.read import read_verdict
from models.ann.cutoff import SERVED
from models.evaluation.measures import CONDENSED, MEASURES

# R@100 and RR@100 are in summary.json: at a depth of 100 they are the end of the curve
IMPORTANT = 15  # features of a ranker that are shown
PLAIN = [name for name in MEASURES if name not in (*CONDENSED, "RR@100")]


def about(arm: str) -> str:
    """Description of an arm."""
    if arm.startswith("run_"):
        return "the shop's own ranking"
    if arm.startswith("hybrid_run_"):
        return f"dense and {arm.removeprefix('hybrid_')}, fused"
    return ARMS[arm]


def arm_rows(data: ReportData, names: list[str]) -> list[dict[str, Any]]:
    """One row per arm: its values with their intervals, the best of each column marked.

    The champion's arms are shown for comparison and take no mark.
    """
    means = data.evaluation.means
    best = {name: max(means[arm][name] for arm in data.own) for name in names}
    rows = []
    for arm in data.arms:
        spans = data.evaluation.intervals(arm)
        cells = [{"span": spans[name], "best": arm in data.own and means[arm][name] == best[name]} for name in names]
        # without step 1 beside it, it is unknown here whether hard negatives were used
        plain = arm == "dense" and "dense_in_batch" not in means
        rows.append({"arm": arm, "about": "two towers" if plain else about(arm), "cells": cells})
    return rows


def data_of_the_day(data: ReportData) -> list[tuple[str, str]]:
    """The day's inputs: sizes, judgements, and data-quality verdicts."""
    rows: list[tuple[str, str]] = []
    for ancestor in data.ancestors:
        if ancestor.pinned is not None and ancestor.table in ("items", "impressions", "pairs", "queries", "qrels"):
            verdict = read_verdict(ancestor.pinned).get("verdict", "not checked")
            size = f"{ancestor.pinned.manifest.rows:,} rows"
            rows.append((ancestor.source.partition, f"{size}; quality checks: {verdict}"))
    judgements = data.evaluation.judgements
    per_query = data.rows.judgements.num_rows / max(len(judgements), 1)
    rows.append(("judgements used", f"{data.rows.judgements.num_rows:,}, {per_query:.1f} a query"))
    sources = Counter(strings(data.rows.judgements, "source"))
    rows.append(("sources of the judgements", ", ".join(f"{name} {count:,}" for name, count in sources.items())))
    facts = data.inputs.rankings.facts
    if leaked := facts.get("leaked_queries"):
        rows.append(("queries that training saw under another spelling", f"{leaked:,}, not ranked"))
    for stem, run in facts.get("runs", {}).items():
        ranked = f"ranks {run['judged_queries']:,} of {facts['queries']:,} queries"
        rows.append((f"run_{stem}", f"{ranked}; {run['unknown_items']:,} items that the catalogue does not have"))
    left_out = judgements.queries_without_relevant
    rows.append(("queries without a relevant item", f"{left_out:,}, left out of every mean"))
    return rows


def lineage_rows(ancestors: list[Ancestor]) -> list[dict[str, str]]:
    """One row per ancestor: its version, as its manifest names it."""
    rows = []
    for ancestor in ancestors:
        made = ancestor.pinned.manifest if ancestor.pinned else None
        rows.append(
            {
                "partition": ancestor.source.partition,
                "manifest": ancestor.source.manifest_sha256[:12],
                "code": made.code_version if made else "no longer kept",
                "made": made.created_at[:16].replace("T", " ") if made else "",
                "mlflow": made.mlflow_run_id[:8] if made else "",
            }
        )
    return rows


def stage_rows(ancestors: list[Ancestor]) -> list[dict[str, Any]]:
    """Seconds by job, the longest first."""
    seconds: dict[str, float] = {}
    for ancestor in ancestors:
        if ancestor.pinned is not None:
            job = ancestor.pinned.manifest.job.removeprefix("jobs.")
            seconds[job] = seconds.get(job, 0.0) + ancestor.pinned.manifest.seconds
    longest = max(seconds.values(), default=0.0) or 1.0
    ordered = sorted(seconds.items(), key=lambda row: -row[1])
    return [{"job": job, "seconds": s, "share": 100 * s / longest} for job, s in ordered]


def cutoff_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per cut-off that was compared; empty for an older index without them."""
    rows = []
    unit = " of the best score" if facts["cutoff"].get("reads") == SERVED else ""
    for found in facts.get("cutoffs", ()):
        value = found["value"]
        name = {"threshold": f"threshold {value:.3f}{unit}", "fixed": f"first {value:.0f} items"}
        row = {key: found[key] for key in ("chosen", "mean_items", "median_items")}
        row |= {key: _share(found[key]) for key in ("precision", "recall", "f1", "kept_frac", "no_knee_frac")}
        rows.append({**row, "name": name.get(found["kind"], found["kind"])})
    return rows


def importance_rows(facts: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Features of each kind of ranker that was ranked, the most important first; empty for an index."""
    made = {}
    for kind, importances in facts.get("importances", {}).items():
        first = sorted(importances.items(), key=lambda row: -row[1])[:IMPORTANT]
        most = max((value for _, value in first), default=0.0) or 1.0
        made[kind] = [
            {"feature": name, "importance": value, "share": 100 * max(value, 0.0) / most} for name, value in first
        ]
    return made


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
