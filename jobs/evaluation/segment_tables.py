"""The report's part on segments: the worst first, where dense helps, and the queries that should ask it."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.evaluation.measures import Evaluation
from models.evaluation.intervals import mean_interval
from models.evaluation.significance import holm, permutation_p

Row = dict[str, Any]
MEASURE = "R@60"
ALPHA = 0.05
MAIN = ("hybrid", "dense", "sparse")
# known when a query is typed, or from yesterday's log: what is judged relevant is not
BY_TEXT = ("length", "searched")
WORDING = ("model number", "likely typo", "diacritics left out", "brand named")


def segment_rows(found: Evaluation, min_support: int) -> list[Row]:
    """One row per segment: R@60 of each arm, and the difference that matters, corrected over all segments.

    The difference is hybrid against the champion's hybrid where one was ranked, else dense against sparse. Segments
    below the least support stand last and are not tested.
    """
    arm, against = rivals(found)
    main = [one for one in MAIN if one in found.arms]
    rows: list[Row] = []
    for group, name, queries in found.segments():
        row: Row = {
            "group": group,
            "name": name,
            "queries": int(queries.sum()),
            "means": {one: found.means_of(one, MEASURE, queries) for one in main},
            "enough": bool(queries.sum() >= min_support),
            "said": "",
        }
        if arm:
            moved = (found.arms[arm].column(MEASURE) - found.arms[against].column(MEASURE))[queries]
            row |= {"moved": mean_interval(moved), "p": float(permutation_p(moved[:, None])[0])}
        rows.append(row)
    tested = [row for row in rows if arm and row["enough"]]
    corrected = holm(np.array([row["p"] for row in tested], np.float64))
    for row, p in zip(tested, corrected.tolist(), strict=True):
        row["said"] = "" if p >= ALPHA else ("better" if row["moved"].value > 0 else "worse")
    return sorted(rows, key=_worst_first)


def rivals(found: Evaluation) -> tuple[str, str]:
    """The two arms whose difference is shown by segment; empty names where there is no pair."""
    for pair in (("hybrid", "champion_hybrid"), ("dense", "champion_dense"), ("dense", "sparse")):
        if all(arm in found.arms for arm in pair):
            return pair
    return "", ""


def where_dense_helps(found: Evaluation, min_support: int) -> list[Row]:
    """Query classes, known when a query is typed, in which dense adds to sparse: hybrid's gain over sparse, the largest first; and whether it is
    more than chance. Those are the queries that should trigger dense retrieval where it is not asked for all."""
    if not {"hybrid", "sparse"} <= set(found.arms):
        return []
    gain = found.arms["hybrid"].column(MEASURE) - found.arms["sparse"].column(MEASURE)
    rows: list[Row] = [
        {
            "group": group,
            "name": name,
            "queries": int(queries.sum()),
            "gain": mean_interval(gain[queries]),
            "p": float(permutation_p(gain[queries][:, None])[0]),
        }
        for group, name, queries in found.segments()
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
