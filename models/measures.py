"""Measures of rankings against qrels: R@K, RR@K, nDCG@10, and each over judged items only.

Conventions, all of trec_eval:
- R@K: relevant items in the first K / relevant items in the qrels; the mean is over queries.
- RR@K: 1 / rank of the first relevant item, 0 when it stands below K.
- nDCG@10: the gain is the grade itself, the discount log2(rank + 1).
- Equal scores: the larger item id comes first. `models.fusion.trec_order` has already put rankings
  in that order, so the rank alone is handed on and no tie is left to decide.
- A query with no ranking counts as 0. A query with no relevant item has no R@K: it is left out, and
  counted in `queries_without_relevant`.
- `judged`: items without a judgement leave the ranking first (condensed lists). Where judgements
  are sparse, the plain measure punishes an arm for finding good items that nobody looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ir_measures import RR, Measure, R, nDCG
from ir_measures.providers import registry
from numpy.typing import NDArray

CUTOFFS = (10, 60, 100)
# grades reach pytrec_eval as whole numbers; nDCG does not change with their unit
GRADE_UNIT = 100
MEASURES = (
    *(f"R@{k}" for k in CUTOFFS),
    *(f"RR@{k}" for k in CUTOFFS),
    "nDCG@10",
    *(f"R@{k} judged" for k in CUTOFFS),
    *(f"RR@{k} judged" for k in CUTOFFS),
    "nDCG@10 judged",
)


@dataclass(frozen=True)
class Judged:
    """Qrels ready to measure against, of the queries that have a relevant item.

    grades: query_id -> item_id -> gain in hundredths, which is the relevance above zero_gain.
    threshold: the least gain that is relevant.
    """

    query_ids: list[str]
    grades: dict[str, dict[str, int]]
    threshold: int
    zero_gain: float
    queries_without_relevant: int


def judge_items(
    query_ids: Sequence[str],
    item_ids: Sequence[str],
    relevance: NDArray[np.float64],
    min_relevance: float,
    zero_gain: float = 0.0,
) -> Judged:
    """Gather qrels, given as three columns of equal length.

    An item is relevant at relevance >= min_relevance. Its gain in nDCG is relevance - zero_gain,
    never below 0: zero_gain is the grade that means "not relevant" on the data set's own scale.

    Raises:
        ValueError: no query has a relevant item, or an item is judged twice for one query.
    """
    grade = np.rint((np.asarray(relevance) - zero_gain) * GRADE_UNIT).astype(np.int64).clip(0)
    threshold = max(1, round((min_relevance - zero_gain) * GRADE_UNIT))
    everything: dict[str, dict[str, int]] = {}
    for query_id, item_id, one in zip(query_ids, item_ids, grade.tolist(), strict=True):
        everything.setdefault(query_id, {})[item_id] = one
    if sum(map(len, everything.values())) != len(grade):
        raise ValueError("qrels: an item is judged twice for one query; keep one judgement")
    relevant = {
        name: found for name, found in everything.items() if max(found.values()) >= threshold
    }
    if not relevant:
        raise ValueError(
            f"qrels: none of {len(everything):,} queries has an item of relevance >= {min_relevance};"
            " is min_relevance on the scale of this data set?"
        )
    missing = len(everything) - len(relevant)
    return Judged(sorted(relevant), relevant, threshold, zero_gain, missing)


@dataclass(frozen=True)
class Measured:
    """One arm measured: values float64 [Q, len(names)], row i of query_ids[i]."""

    query_ids: list[str]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def column(self, name: str) -> NDArray[np.float64]:
        """Values of one measure, per query [Q]."""
        found: NDArray[np.float64] = self.values[:, self.names.index(name)]
        return found

    def means(self, rows: NDArray[np.bool_] | None = None) -> dict[str, float]:
        """Average over all queries, or over those where rows is True."""
        values = self.values if rows is None else self.values[rows]
        return dict(zip(self.names, values.mean(axis=0).tolist(), strict=True))


def measure(
    judged: Judged, query_ids: Sequence[str], item_ids: Sequence[str], ranks: NDArray[np.int64]
) -> Measured:
    """Measure one arm's ranking, given as three columns of equal length; ranks count from 1."""
    ranking: dict[str, dict[str, float]] = {name: {} for name in judged.query_ids}
    # trec_eval reads scores, not ranks, and reads them as float32: whole numbers stay apart there
    for query_id, item_id, score in zip(query_ids, item_ids, (-ranks).tolist(), strict=True):
        if query_id in ranking:
            ranking[query_id][item_id] = float(score)
    whole = _evaluate(judged, ranking, judged_only=False)
    condensed = _evaluate(judged, ranking, judged_only=True)
    return Measured(judged.query_ids, MEASURES, np.hstack([whole, condensed]))


def _evaluate(
    judged: Judged, ranking: dict[str, dict[str, float]], judged_only: bool
) -> NDArray[np.float64]:
    """Values [Q, 7] in the order of CUTOFFS for R, then RR, then nDCG@10."""
    only = {"judged_only": True} if judged_only else {}
    reciprocal: Measure = RR(rel=judged.threshold, **only)
    gain: Measure = nDCG(**only) @ 10
    recalls: list[Measure] = [R(rel=judged.threshold, **only) @ k for k in CUTOFFS]
    columns = {found: place for place, found in enumerate([*recalls, reciprocal, gain])}
    rows = {name: place for place, name in enumerate(judged.query_ids)}
    raw = np.zeros((len(rows), len(columns)))
    evaluator = registry["pytrec_eval"].evaluator(list(columns), judged.grades)
    for metric in evaluator.iter_calc(ranking):
        raw[rows[metric.query_id], columns[metric.measure]] = metric.value
    # half a rank of slack, so that 1/60 read from C compares as it should
    within = [np.where(raw[:, 3] >= 1 / (k + 0.5), raw[:, 3], 0.0) for k in CUTOFFS]
    return np.column_stack([raw[:, :3], *within, raw[:, 4]])
