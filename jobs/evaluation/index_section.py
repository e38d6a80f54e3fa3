"""The report's part on the index: what was tried, what was chosen and why, what the night did anew."""

from __future__ import annotations

import json
from typing import Any

from jobs.index.trained_index import FRONT
from jobs.lake.ancestry import Ancestor
from jobs.lake.read import Pinned
from models.evaluation.plots import Plot, lines

Row = dict[str, Any]
CURVES = 4  # families in the plot: more would hide each other


def tried(back: list[Ancestor]) -> Row:
    """What the trained index's tuner measured (points, front, choice, exact); empty where it is no longer kept."""
    for one in back:
        if one.room == "trained_index" and one.pinned is not None:
            found: Row = json.loads(one.pinned.path(FRONT).read_text("utf-8"))
            return {**found, "target": one.pinned.facts["recall_target"]}
    return {}


def family_rows(found: Row) -> list[Row]:
    """One row per family, the cheapest first: its cheapest point that holds the target, else its best recall."""
    if not found:
        return []
    best: dict[str, Row] = {}
    for point in found["points"]:
        rival = best.setdefault(point["factory"], point)
        if _order(point, found["target"]) < _order(rival, found["target"]):
            best[point["factory"]] = point
    front = {json.dumps(point, sort_keys=True) for point in found["front"]}
    rows = [
        {
            **point,
            "said": ", ".join(f"{name} {value:g}" for name, value in point["settings"].items()),
            "lost": _lost(found["exact"], point["judged"]),
            "holds": point["recall"] >= found["target"],
            "front": json.dumps(point, sort_keys=True) in front,
            "chosen": point == found["chosen"],
        }
        for point in best.values()
    ]
    return sorted(rows, key=lambda row: _order(row, found["target"]))


def _order(point: Row, target: float) -> tuple[bool, float]:
    holds = point["recall"] >= target
    return not holds, point["cpu_ms"] if holds else -point["recall"]


def _lost(exact: Row, judged: Row) -> dict[str, float]:
    """Share of each judged measure that a point loses against exact search over the same items."""
    return {name: 1 - judged[name] / value for name, value in exact.items() if value and judged}


def front_plot(found: Row) -> Plot | None:
    """Recall by CPU time of a query, a curve for each of the cheapest families, the choice ringed."""
    if not found or len(found["points"]) < 2:
        return None
    curves = {}
    for row in family_rows(found)[:CURVES]:
        points = [one for one in found["points"] if one["factory"] == row["factory"]]
        points.sort(key=lambda one: one["cpu_ms"])
        name = row["factory"].removeprefix("IVF").replace(",", " x ", 1)
        curves[name if row["factory"].startswith("IVF") else row["factory"]] = (
            [one["cpu_ms"] for one in points],
            [one["recall"] for one in points],
        )
    chosen = found["chosen"]
    marks = [(chosen["cpu_ms"], chosen["recall"], "chosen")]
    return lines(curves, "CPU time of a query, ms", "recall against exact", marks)


def night_rows(index: Pinned, back: list[Ancestor]) -> list[tuple[str, str]]:
    """What was made anew and what was taken over, and why the trained index was kept or trained."""
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
        if name == "embedded" and (saved := _saved_s(index, back)):
            said += f"; about {saved:,.0f} s of encoding saved"
        rows.append(("embeddings" if name == "embedded" else "codes", said))
    trained_index = changed["trained_index"]
    why = "; ".join(trained_index["reasons"]) or "its figures hold"
    rows.append(("trained_index", f"{trained_index['decision']}: {why}; trained on {trained_index['trained_on']}"))
    for name in ("imbalance", "error", "recall"):
        then, now = trained_index["then"][name], trained_index["now"][name]
        label = {"imbalance": "imbalance of lists", "error": "quantisation error", "recall": "canary recall"}[name]
        rows.append((label, f"{now:.4g} today, {then:.4g} when it was trained"))
    for name, value in facts.get("lost", {}).items():
        rows.append(
            (
                f"{name} lost against exact search",
                f"{value['lost_frac']:.2%} ({value['index']:.4f} of {value['exact']:.4f})",
            )
        )
    return rows


def _saved_s(index: Pinned, back: list[Ancestor]) -> float:
    """Seconds that the day's shards saved by what they took over; estimates, as their facts have them."""
    keys = index.partition.values["ds"], index.partition.values["space"]
    shards = [one.pinned for one in back if one.room == "embeddings" and one.pinned is not None]
    mine = [one for one in shards if (one.partition.ds, one.partition.values["space"]) == keys]
    return sum(float(one.facts.get("saved_s", 0.0)) for one in mine)
