"""Pairs of arms, compared on the same queries: difference, interval, and p corrected for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jobs.evaluation.measures import Evaluation
from jobs.evaluation.room import ReportRoom
from models.evaluation.intervals import Interval, mean_intervals
from models.evaluation.significance import RESAMPLES, Floats, holm, permutation_p

MEASURES = ("R@60", "RR@60", "nDCG@10")
ALPHA = 0.05
SINGLE = ("dense", "sparse")


@dataclass(frozen=True)
class Comparison:
    """arm less `against`, in the mean over queries. p: by permutation; p_holm: corrected within the table."""

    arm: str
    against: str
    measure: str
    after: float
    before: float
    difference: Interval
    p: float
    p_holm: float

    @property
    def said(self) -> str:
        """better, worse or alike, after the correction."""
        if self.p_holm >= ALPHA:
            return "alike"
        return "better" if self.difference.value > 0 else "worse"


def compare(
    evaluation: Evaluation,
    pairs: Sequence[tuple[str, str]],
    measures: Sequence[str] = MEASURES,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Compare each pair (arm, against) by each measure."""
    places = [evaluation.names.index(name) for name in measures]
    values = {arm: measured.values[:, places] for arm, measured in evaluation.arms.items()}
    sides = [(arm, against, values[arm], values[against]) for arm, against in pairs]
    return compare_values(sides, measures, resamples, seed)


def compare_values(
    sides: Sequence[tuple[str, str, Floats, Floats]], measures: Sequence[str], resamples: int, seed: int
) -> list[Comparison]:
    """Compare each of (arm, against, after, before) by each measure; after and before [Q, measures]."""
    rows = []
    for arm, against, after, before in sides:
        spans = mean_intervals(after - before, seed, resamples)
        p = permutation_p(after - before, seed, resamples).tolist()
        means = zip(after.mean(axis=0).tolist(), before.mean(axis=0).tolist(), strict=True)
        rows += [
            Comparison(arm, against, name, *both, spans[column], p[column], 1.0)
            for column, (name, both) in enumerate(zip(measures, means, strict=True))
        ]
    corrected = holm(np.array([row.p for row in rows], np.float64)).tolist()
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def pairs_of(room: ReportRoom, evaluation: Evaluation) -> list[tuple[str, str]]:
    """Pairs of arms to compare: with the best single arm, with step 1, with the shop's own, with the champion."""
    arms = list(evaluation.arms)
    pairs: list[tuple[str, str]] = []
    if room.pairs:
        pairs += [pair for pair in room.pairs if set(pair) <= set(arms)]
    elif "dense" in arms:
        others = [arm for arm in ("sparse", "dense_in_batch") if arm in arms]
        pairs += [("dense", arm) for arm in others]
    if not room.pairs and "hybrid" in arms and (single := best_single(evaluation)):
        pairs.append(("hybrid", single))
    for run in (arm for arm in arms if arm.startswith("run_")):
        pairs += [(arm, run) for arm in ("dense", "hybrid", f"hybrid_{run}") if arm in arms]
    pairs += [(arm, f"champion_{arm}") for arm in room.compared_arms(arms) if {arm, f"champion_{arm}"} <= set(arms)]
    return pairs


def best_single(evaluation: Evaluation) -> str:
    """The better of dense and sparse; empty where neither was ranked."""
    arms = [arm for arm in SINGLE if arm in evaluation.arms]
    return max(arms, key=lambda arm: evaluation.means[arm]["R@60"]) if arms else ""
