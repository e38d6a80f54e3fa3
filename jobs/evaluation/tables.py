"""The tables of the report, as rows that its template prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jobs.evaluation.comparisons import Comparison
from jobs.evaluation.diversity import Variety
from jobs.evaluation.history import Night
from jobs.evaluation.measures import Evaluation
from jobs.evaluation.seen_unseen import Cell
from jobs.evaluation.segment_tables import MAIN
from jobs.lake.ancestry import Ancestor
from jobs.lake.arrow import strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, read_verdict
from models.evaluation.evidence import Limits
from models.evaluation.measures import CONDENSED, MEASURES
from models.evaluation.verdict import Verdict

ARMS = {
    "hybrid": "dense and sparse, fused",
    "dense": "two towers, after hard negatives",
    "sparse": "BM25",
    "dense_in_batch": "two towers, before hard negatives",
    "hybrid_rrf": "fused by rank",
    "hybrid_minmax": "fused by score, min-max",
    "hybrid_zscore": "fused by score, z",
    "champion_hybrid": "in service now",
    "champion_dense": "in service now",
    "champion_sparse": "in service now",
}
# R@100 and RR@100 stand in summary.json: at a depth of 100 they are what the curve ends at
PLAIN = [name for name in MEASURES if name not in (*CONDENSED, "RR@100")]
SEGMENT_MEASURES = ("R@60", "RR@60")


@dataclass(frozen=True)
class Material:
    """All that the page is made of."""

    report: Partition
    found: Evaluation
    verdict: Verdict
    compared: list[Comparison]
    rankings_rows: pa.Table
    judgements: pa.Table
    queries_rows: pa.Table
    items_rows: pa.Table
    rankings: Pinned
    index: Pinned
    back: list[Ancestor]
    limits: Limits
    min_relevance: float
    segments: list[dict[str, Any]]
    dense_helps: list[dict[str, Any]]
    cells: list[Cell]
    variety: list[Variety]
    second: Evaluation | None = None
    nights: list[Night] = field(default_factory=list)

    @property
    def arms(self) -> list[str]:
        """Arms in the order in which they are shown; a shop's own runs before the champion."""
        known = [arm for arm in ARMS if arm in self.found.arms]
        runs = sorted(arm for arm in self.found.arms if arm not in ARMS)
        served = [arm for arm in known if arm.startswith("champion_")]
        return [*(arm for arm in known if arm not in served), *runs, *served]

    @property
    def own(self) -> list[str]:
        """Arms without the champion's."""
        return [arm for arm in self.arms if not arm.startswith("champion_")]

    @property
    def main(self) -> list[str]:
        """The arms that a segment is shown for."""
        return [arm for arm in MAIN if arm in self.found.arms]


def about(arm: str) -> str:
    """What an arm is, in words."""
    if arm.startswith("run_"):
        return "the shop's own ranking"
    if arm.startswith("hybrid_run_"):
        return f"dense and {arm.removeprefix('hybrid_')}, fused"
    return ARMS[arm]


def arm_rows(material: Material, names: list[str]) -> list[dict[str, Any]]:
    """One row per arm: its values with their intervals, the best of each column marked.

    The champion's arms are shown for comparison and take no mark.
    """
    means = material.found.means
    best = {name: max(means[arm][name] for arm in material.own) for name in names}
    rows = []
    for arm in material.arms:
        spans = material.found.intervals(arm)
        cells = [
            {"span": spans[name], "best": arm in material.own and means[arm][name] == best[name]} for name in names
        ]
        # without step 1 beside it nobody knows here whether hard negatives were used
        plain = arm == "dense" and "dense_in_batch" not in means
        rows.append({"arm": arm, "about": "two towers" if plain else about(arm), "cells": cells})
    return rows


def data_of_the_day(material: Material) -> list[tuple[str, str]]:
    """The day's input in words: sizes, judgements, and what the quality checks said."""
    rows: list[tuple[str, str]] = []
    for one in material.back:
        if one.pinned is not None and one.room in ("items", "impressions", "pairs", "queries", "qrels"):
            verdict = read_verdict(one.pinned).get("verdict", "not checked")
            said = f"{one.pinned.manifest.rows:,} rows; quality checks: {verdict}"
            rows.append((one.source.partition, said))
    found = material.found.judgements
    per_query = material.judgements.num_rows / max(len(found), 1)
    rows.append(("judgements used", f"{material.judgements.num_rows:,}, {per_query:.1f} a query"))
    sources = Counter(strings(material.judgements, "source"))
    said = ", ".join(f"{name} {count:,}" for name, count in sources.items())
    rows.append(("where they come from", said))
    if leaked := material.rankings.facts.get("leaked_queries"):
        rows.append(("queries that training saw under another spelling", f"{leaked:,}, not ranked"))
    for stem, about_run in material.rankings.facts.get("runs", {}).items():
        said = f"answers {about_run['judged_queries']:,} of {material.rankings.facts['queries']:,} queries"
        said += f"; {about_run['unknown_items']:,} items that the catalogue does not have"
        rows.append((f"run_{stem}", said))
    left_out = found.queries_without_relevant
    rows.append(("queries without a relevant item", f"{left_out:,}, left out of every mean"))
    return rows


def lineage_rows(back: list[Ancestor]) -> list[dict[str, str]]:
    """One row per version on the way back, as its manifest names it."""
    rows = []
    for one in back:
        made = one.pinned.manifest if one.pinned else None
        rows.append(
            {
                "partition": one.source.partition,
                "manifest": one.source.manifest_sha256[:12],
                "code": made.code_version if made else "no longer kept",
                "made": made.created_at[:16].replace("T", " ") if made else "",
                "mlflow": made.mlflow_run_id[:8] if made else "",
            }
        )
    return rows


def stage_rows(back: list[Ancestor]) -> list[dict[str, Any]]:
    """Seconds by job, the longest first."""
    seconds: dict[str, float] = {}
    for one in back:
        if one.pinned is not None:
            job = one.pinned.manifest.job.removeprefix("jobs.")
            seconds[job] = seconds.get(job, 0.0) + one.pinned.manifest.seconds
    longest = max(seconds.values(), default=0.0) or 1.0
    ordered = sorted(seconds.items(), key=lambda row: -row[1])
    return [{"job": job, "seconds": s, "share": 100 * s / longest} for job, s in ordered]


def cutoff_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per cut-off that was compared, in words; empty for an index from before that."""
    rows = []
    for found in facts.get("cutoffs", ()):
        value = found["value"]
        name = {"threshold": f"threshold {value:.3f}", "fixed": f"first {value:.0f} items"}
        row = {key: found[key] for key in ("chosen", "mean_items", "median_items")}
        row |= {key: _share(found[key]) for key in ("precision", "recall", "f1", "kept_frac", "no_knee_frac")}
        rows.append({**row, "name": name.get(found["kind"], found["kind"])})
    return rows


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
