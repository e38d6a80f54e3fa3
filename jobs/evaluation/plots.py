"""The report's plots, each for light and dark."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jobs.evaluation.index_section import front_plot
from jobs.evaluation.report_data import ReportData
from jobs.lake.ancestry import Ancestor
from models.evaluation.measures import recall_curve
from models.evaluation.plots import Plot, forest, lines, spread

CURVES = "curves.parquet"
MEASURE = "R@60"
GROUPS = ("searched", "wording", "length", "items")
FEWEST = 5  # queries of a segment that is drawn


def plots(data: ReportData, choice: dict[str, Any], nights: list[dict[str, Any]]) -> dict[str, Plot]:
    """All plots that there is something to show in, by name."""
    evaluation = data.evaluation
    places = np.arange(1.0, evaluation.depth + 1).tolist()
    curves = {
        arm: (places, recall_curve(evaluation.judgements.judged, evaluation.hits[arm], evaluation.depth).tolist())
        for arm in data.main
    }
    made = {"recall": lines(curves, "items shown (K)", "R@K", log_x=evaluation.depth > 200)}
    made |= _segments(data) | _nights(nights)
    compared = [row for row in data.compared if row.measure == data.room.measure]
    if compared:
        made["compared"] = forest(
            [(f"{row.arm} − {row.against}".replace("_", " "), row.difference) for row in compared],
            f"difference of {data.room.measure}, 95% interval",
        )
    if tuning := _tuning(data.inputs.index.facts):
        made["tuning"] = tuning
    for name, label in (("loss", "loss, nats"), ("R@60", "R@60 of dev queries")):
        if trained := training_curves(data.ancestors, name):
            made[f"training {name}"] = lines(trained, "training step", label)
    front = front_plot(choice)
    return made | ({"front": front} if front is not None else {})


def _segments(data: ReportData) -> dict[str, Plot]:
    """The room's measure of each arm by segment, a plot for each group that a shopper's query falls into."""
    evaluation, measure, made = data.evaluation, data.room.measure, {}
    for group in GROUPS:
        some = {name: rows for name, rows in evaluation.groups.get(group, {}).items() if rows.sum() >= FEWEST}
        if len(some) > 1:
            made[f"segments {group}"] = spread(
                [f"{name} ({int(rows.sum()):,})" for name, rows in some.items()],
                {arm: [evaluation.means_of(arm, measure, rows) for rows in some.values()] for arm in data.main},
                measure,
            )
    return made


def _nights(nights: list[dict[str, Any]]) -> dict[str, Plot]:
    """R@60 night by night, and what an index in service keeps of a fresh one's as it ages."""
    made: dict[str, Plot] = {}
    if len(nights) > 1:
        last = date.fromisoformat(nights[-1]["ds"])
        days = [float((date.fromisoformat(night["ds"]) - last).days) for night in nights]
        curves = {"judged that night": (days, [night["now"] for night in nights])}
        served = [(day, night["served"]) for day, night in zip(days, nights, strict=True) if night["served"]]
        if served:
            curves["in service"] = ([day for day, _ in served], [value for _, value in served])
        made["nights"] = lines(curves, "days before tonight", MEASURE)
    aged: dict[float, list[float]] = {}
    for night in nights:
        if night["served"]:
            aged.setdefault(float(night["age_days"]), []).append(night["kept"])
    if len(aged) > 1:
        ages = sorted(aged)
        made["age"] = lines(
            {"": (ages, [float(np.mean(aged[age])) for age in ages])},
            "age of the index in service, days",
            f"its {MEASURE} / a fresh one's",
        )
    return made


def _tuning(facts: dict[str, Any]) -> Plot | None:
    curve = [(value, recall) for value, recall in facts["curve"] if value]
    if len(curve) < 2:
        return None
    xs, ys = [float(value) for value, _ in curve], [recall for _, recall in curve]
    value = int(facts["search"][facts["dial"]])
    label = {"nprobe": "lists visited (nprobe)"}.get(facts["dial"], facts["dial"])
    mark = [(value, facts["recall"], f"chosen: {value}")]
    return lines({"index": (xs, ys)}, label, "recall against exact", mark, log_x=True)


def training_curves(back: list[Ancestor], name: str) -> dict[str, tuple[list[float], list[float]]]:
    """One curve per trained towers, the first step first: (step of training, value) where known."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    towers = [ancestor.pinned for ancestor in back if ancestor.table == "towers" and ancestor.pinned is not None]
    for pinned in sorted(towers, key=lambda towers: towers.manifest.created_at):
        if any(entry.name == CURVES for entry in pinned.manifest.files):
            rows = pq.read_table(pinned.path(CURVES)).to_pylist()
            points = [(row["step"], row[name]) for row in rows if row[name] is not None]
            curves[pinned.partition.values["step"]] = ([x for x, _ in points], [y for _, y in points])
    return {step: curve for step, curve in curves.items() if curve[0]}
