"""The report's tables of segments: the worst first, and the query classes in which dense helps."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.evaluation.measures import Evaluation
from jobs.evaluation.room import ReportRoom
from models.evaluation.intervals import mean_interval
from models.evaluation.significance import holm, permutation_p

Row = dict[str, Any]
MEASURE = "R@60"
ALPHA = 0.05
# known when a query is typed, or from yesterday's log, unlike its relevant items
BY_TEXT = ("length", "searched")
WORDING = ("model number", "likely typo", "diacritics left out", "brand named")


def segment_rows(room: ReportRoom, evaluation: Evaluation, min_support: int) -> list[Row]:
    """One row per segment: the room's measure of each arm, and the difference that matters, corrected over all segments.

    The difference is the headline against the champion's where one was ranked, else dense against sparse. Segments
    below the minimum support come last and are not tested.
    """
    (arm, against), measure = compared_arms(room, evaluation), room.measure
    main = [arm for arm in room.main_arms if arm in evaluation.arms]
    rows: list[Row] = []
    for group, name, queries in evaluation.segments():
        row: Row = {
            "group": group,
            "name": name,
            "queries": int(queries.sum()),
            "means": {name: evaluation.means_of(name, measure, queries) for name in main},
            "enough": bool(queries.sum() >= min_support),
            "said": "",
        }
        if arm:
            moved = (evaluation.arms[arm].column(measure) - evaluation.arms[against].column(measure))[queries]
            row |= {"moved": mean_interval(moved), "p": float(permutation_p(moved[:, None])[0])}
        rows.append(row)
    tested = [row for row in rows if arm and row["enough"]]
    corrected = holm(np.array([row["p"] for row in tested], np.float64))
    for row, p in zip(tested, corrected.tolist(), strict=True):
        row["said"] = "" if p >= ALPHA else ("better" if row["moved"].value > 0 else "worse")
    return sorted(rows, key=_worst_first)


def compared_arms(room: ReportRoom, evaluation: Evaluation) -> tuple[str, str]:
    """The two arms whose difference is shown by segment; empty names where there is no pair."""
    arms = (room.headline(evaluation.arms), "dense")
    for pair in (*((arm, f"champion_{arm}") for arm in arms), ("dense", "sparse")):
        if all(arm in evaluation.arms for arm in pair):
            return pair
    return "", ""


def where_dense_helps(evaluation: Evaluation, min_support: int) -> list[Row]:
    """Query classes in which dense adds to sparse: hybrid's gain over sparse, the largest first.

    A class is known when a query is typed. triggers: whether the gain is more than chance; queries of such a class
    should use the dense index where not all queries do.
    """
    if not {"hybrid", "sparse"} <= set(evaluation.arms):
        return []
    gain = evaluation.arms["hybrid"].column(MEASURE) - evaluation.arms["sparse"].column(MEASURE)
    rows: list[Row] = [
        {
            "group": group,
            "name": name,
            "queries": int(queries.sum()),
            "gain": mean_interval(gain[queries]),
            "p": float(permutation_p(gain[queries][:, None])[0]),
        }
        for group, name, queries in evaluation.segments()
        if queries.sum() >= min_support and (group in BY_TEXT or name in WORDING)
    ]
    corrected = holm(np.array([row["p"] for row in rows], np.float64)).tolist()
    for row, p in zip(rows, corrected, strict=True):
        row["triggers"] = p < ALPHA and row["gain"].value > 0
    return sorted(rows, key=lambda row: -row["gain"].value)


def _worst_first(row: Row) -> tuple[bool, float]:
    if "moved" in row:
        return not row["enough"], row["moved"].value
    return not row["enough"], min(row["means"].values())
