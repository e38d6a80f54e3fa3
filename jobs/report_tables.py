"""The tables of the report, as rows that its template prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ancestry import Ancestor
from jobs.columns import strings
from jobs.evaluation import Evaluation
from jobs.lake import Partition
from jobs.reading import Pinned, read_verdict
from models.gate import Verdict
from models.measures import MEASURES

ARMS = {
    "hybrid": "both arms, fused by rank",
    "dense": "two towers, after hard negatives",
    "sparse": "BM25",
    "dense_in_batch": "two towers, before hard negatives",
    "champion_hybrid": "in service now",
    "champion_dense": "in service now",
    "champion_sparse": "in service now",
}
PLAIN = [name for name in MEASURES if not name.endswith("judged")]
CONDENSED = [name for name in MEASURES if name.endswith("judged")]
CURVES = "curves.parquet"
SEGMENT_MEASURES = ("R@60", "RR@60")


@dataclass(frozen=True)
class Material:
    """All that the page is made of."""

    report: Partition
    found: Evaluation
    verdict: Verdict
    summary: dict[str, Any]
    rankings_rows: pa.Table
    judgements: pa.Table
    queries_rows: pa.Table
    items_rows: pa.Table
    rankings: Pinned
    index: Pinned

    @property
    def arms(self) -> list[str]:
        """Arms in the order in which they are shown."""
        return [arm for arm in ARMS if arm in self.found.arms]


def arm_rows(material: Material, names: list[str]) -> list[dict[str, Any]]:
    """One row per arm: its values with their intervals, the best of each column marked.

    The champion's arms are shown for comparison and take no mark.
    """
    found, means = material.found, material.found.means
    own = [arm for arm in material.arms if not arm.startswith("champion_")]
    best = {name: max(means[arm][name] for arm in own) for name in names}
    return [
        {
            "arm": arm,
            "cells": [
                {
                    "value": means[arm][name],
                    "half": found.half_width(arm, name),
                    "best": arm in own and means[arm][name] == best[name],
                }
                for name in names
            ],
        }
        for arm in material.arms
    ]


def segment_rows(material: Material) -> list[dict[str, Any]]:
    """One row per segment and measure, over the arms of this index."""
    own = [arm for arm in material.arms if not arm.startswith("champion_")]
    rows = []
    for name in SEGMENT_MEASURES:
        for segment, means in material.found.segment_means().items():
            values = [means[arm][name] for arm in own]
            support = material.found.support()[segment]
            rows.append({"measure": name, "segment": segment, "queries": support, "values": values})
    return rows


def star_step(found: Evaluation) -> dict[str, Any]:
    """What hard negatives added: before, after, ratio; empty when step 1 was not ranked."""
    if "dense_in_batch" not in found.arms:
        return {}
    before, after = found.means["dense_in_batch"], found.means["dense"]
    return {
        name: {
            "before": before[name],
            "after": after[name],
            "ratio": after[name] / before[name] if before[name] else 0.0,
        }
        for name in SEGMENT_MEASURES
    }


def data_of_the_day(material: Material, back: list[Ancestor]) -> list[tuple[str, str]]:
    """The day's input in words: sizes, judgements, and what the quality checks said."""
    rows: list[tuple[str, str]] = []
    for one in back:
        if one.pinned is not None and one.room in (
            "items",
            "impressions",
            "pairs",
            "queries",
            "qrels",
        ):
            verdict = read_verdict(one.pinned).get("verdict", "not checked")
            said = f"{one.pinned.manifest.rows:,} rows; quality checks: {verdict}"
            rows.append((one.source.partition, said))
    found = material.found.judged
    per_query = material.judgements.num_rows / max(len(found.query_ids), 1)
    rows.append(("judgements used", f"{material.judgements.num_rows:,}, {per_query:.1f} a query"))
    sources = Counter(strings(material.judgements, "source"))
    said = ", ".join(f"{name} {count:,}" for name, count in sources.items())
    rows.append(("where they come from", said))
    left_out = found.queries_without_relevant
    rows.append(("queries without a relevant item", f"{left_out:,}, left out of every mean"))
    return rows


def training_curves(back: list[Ancestor], name: str) -> dict[str, tuple[list[float], list[float]]]:
    """One curve per trained towers, the first step first: (step of training, value) where known."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    towers = [one.pinned for one in back if one.room == "towers" and one.pinned is not None]
    for pinned in sorted(towers, key=lambda one: one.manifest.created_at):
        if any(entry.name == CURVES for entry in pinned.manifest.files):
            rows = pq.read_table(pinned.path(CURVES)).to_pylist()
            points = [(row["step"], row[name]) for row in rows if row[name] is not None]
            curves[pinned.partition.values["step"]] = (
                [x for x, _ in points],
                [y for _, y in points],
            )
    return {step: curve for step, curve in curves.items() if curve[0]}


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
        row |= {
            key: _share(found[key])
            for key in ("precision", "recall", "f1", "kept_frac", "no_knee_frac")
        }
        rows.append({**row, "name": name.get(found["kind"], found["kind"])})
    return rows


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
