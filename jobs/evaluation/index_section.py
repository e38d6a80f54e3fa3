"""The report's section on the index: points that were tried, the choice and its reason, and the night's work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobs.index.tune import FRONT
from jobs.lake.ancestry import Ancestor
from jobs.lake.read import Pinned
from models.evaluation.plots import Plot, lines
from models.recommendations.arms import ARMS, CLASSES

Row = dict[str, Any]
CURVES = 4  # families in the plot: more would hide each other


def tuning(ancestors: list[Ancestor]) -> Row:
    """Measurements of the trained index's tuner (points, front, choice, exact); empty where it is no longer kept."""
    for ancestor in ancestors:
        if ancestor.table == "trained_index" and ancestor.pinned is not None:
            front: Row = json.loads(ancestor.pinned.path(FRONT).read_text("utf-8"))
            return {**front, "target": ancestor.pinned.facts["recall_target"]}
    return {}


def mixture_rows(ancestors: list[Ancestor]) -> list[Row]:
    """One row per class of items: the weights of the mixture that made the lists, and the dev sessions that fitted them;
    empty where no lists were mixed."""
    for ancestor in ancestors:
        if ancestor.table == "item_neighbours" and ancestor.pinned is not None:
            facts = ancestor.pinned.facts
            return [
                {"name": name, "sessions": facts.get(f"dev_sessions_{name}"), "weights": _in_order(weights, ARMS)}
                for name, weights in _in_order(facts["weights"], CLASSES).items()
            ]
    return []


def _in_order(row: Row, names: Sequence[str]) -> Row:
    """A row of a manifest, whose keys are sorted, in the order of some names; others come last."""
    return {name: row[name] for name in (*(name for name in names if name in row), *(row.keys() - set(names)))}


def family_rows(tuned: Row) -> list[Row]:
    """One row per family, the cheapest first: its cheapest point that holds the target, else its best recall."""
    if not tuned:
        return []
    best: dict[str, Row] = {}
    for point in tuned["points"]:
        other = best.setdefault(point["factory"], point)
        if _order(point, tuned["target"]) < _order(other, tuned["target"]):
            best[point["factory"]] = point
    front = {json.dumps(point, sort_keys=True) for point in tuned["front"]}
    rows = [
        {
            **point,
            "said": ", ".join(f"{name} {value:g}" for name, value in point["settings"].items()),
            "lost": _lost(tuned["exact"], point["judged"]),
            "holds": point["recall"] >= tuned["target"],
            "front": json.dumps(point, sort_keys=True) in front,
            "chosen": point == tuned["chosen"],
        }
        for point in best.values()
    ]
    return sorted(rows, key=lambda row: _order(row, tuned["target"]))


def _order(point: Row, target: float) -> tuple[bool, float]:
    holds = point["recall"] >= target
    return not holds, point["cpu_ms"] if holds else -point["recall"]


def _lost(exact: Row, judged: Row) -> dict[str, float]:
    """Share of each judged measure that a point loses against exact search over the same items."""
    return {name: 1 - judged[name] / value for name, value in exact.items() if value and judged}


def front_plot(tuned: Row) -> Plot | None:
    """Recall by CPU time of a query, a curve for each of the cheapest families, the choice ringed."""
    if not tuned or len(tuned["points"]) < 2:
        return None
    curves = {}
    for row in family_rows(tuned)[:CURVES]:
        points = [point for point in tuned["points"] if point["factory"] == row["factory"]]
        points.sort(key=lambda point: point["cpu_ms"])
        name = row["factory"].removeprefix("IVF").replace(",", " x ", 1)
        curves[name if row["factory"].startswith("IVF") else row["factory"]] = (
            [point["cpu_ms"] for point in points],
            [point["recall"] for point in points],
        )
    chosen = tuned["chosen"]
    marks = [(chosen["cpu_ms"], chosen["recall"], "chosen")]
    return lines(curves, "CPU time of a query, ms", "recall against exact", marks)


def night_rows(index: Pinned, ancestors: list[Ancestor]) -> list[tuple[str, str]]:
    """Counts of new and reused embeddings and codes, and why the trained index was kept or trained."""
    facts = index.facts
    changed = facts.get("changed")
    if not changed:
        return []
    rows = []
    for name, verb in (("embedded", "encoded"), ("coded", "coded")):
        counts = changed[name]
        made, kept = counts[verb], counts["taken_over"]
        share = made / max(1, made + kept)
        said = f"{made:,} ({share:.1%}) {verb}, {kept:,} taken over, {counts['ended']:,} ended"
        if name == "embedded" and (saved := _saved_s(index, ancestors)):
            said += f"; about {saved:,.0f} s of encoding saved"
        rows.append(("embeddings" if name == "embedded" else "codes", said))
    trained_index = changed["trained_index"]
    why = "; ".join(trained_index["reasons"]) or "its figures hold"
    rows.append(("trained_index", f"{trained_index['decision']}: {why}; trained on {trained_index['trained_on']}"))
    labels = {"imbalance": "imbalance of lists", "error": "quantisation error", "recall": "canary recall"}
    for name, label in labels.items():
        then, now = trained_index["then"][name], trained_index["now"][name]
        rows.append((label, f"{now:.4g} today, {then:.4g} when it was trained"))
    for name, value in facts.get("lost", {}).items():
        said = f"{value['lost_frac']:.2%} ({value['index']:.4f} of {value['exact']:.4f})"
        rows.append((f"{name} lost against exact search", said))
    return rows


def _saved_s(index: Pinned, ancestors: list[Ancestor]) -> float:
    """Seconds that the day's shards saved by reuse; their own estimates."""
    keys = index.partition.values["ds"], index.partition.values["space"]
    shards = [
        ancestor.pinned for ancestor in ancestors if ancestor.table == "embeddings" and ancestor.pinned is not None
    ]
    same_day = [shard for shard in shards if (shard.partition.ds, shard.partition.values["space"]) == keys]
    return sum(float(shard.facts.get("saved_s", 0.0)) for shard in same_day)
