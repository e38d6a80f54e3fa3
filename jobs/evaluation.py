"""The figures of a report: every arm over the same judged queries, whole and by segment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.columns import find, numbers, strings, table_of, where
from models.measures import MEASURES, Judged, Measured, judge_items, measure

SEGMENTS = ("head", "torso", "tail", "unseen")


@dataclass(frozen=True)
class Evaluation:
    """All arms over the same queries. segments [Q] names the segment of each query."""

    judged: Judged
    arms: dict[str, Measured]
    segments: NDArray[np.str_]

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Arm -> measure -> mean."""
        return {arm: found.means() for arm, found in self.arms.items()}

    def half_width(self, arm: str, name: str) -> float:
        """Half of the 95% interval of a mean over queries, by the normal approximation."""
        values = self.arms[arm].column(name)
        return float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

    def support(self) -> dict[str, int]:
        """Queries per segment, those with any, in order from head to unseen."""
        names = [name for name in SEGMENTS if (self.segments == name).any()]
        return {name: int((self.segments == name).sum()) for name in names}

    def segment_means(self) -> dict[str, dict[str, dict[str, float]]]:
        """Segment -> arm -> measure -> mean."""
        return {
            segment: {
                arm: found.means(self.segments == segment) for arm, found in self.arms.items()
            }
            for segment in self.support()
        }

    def table(self) -> pa.Table:
        """Per-query values as rows: arm, query_id, segment, measure, value."""
        parts = []
        for arm, found in self.arms.items():
            n_queries, n_names = found.values.shape
            columns = {
                "arm": [arm] * (n_queries * n_names),
                "query_id": np.repeat(np.array(found.query_ids), n_names),
                "segment": np.repeat(self.segments, n_names),
                "measure": np.tile(np.array(MEASURES), n_queries),
                "value": found.values.reshape(-1),
            }
            parts.append(table_of(columns))
        return pa.concat_tables(parts)


def evaluate(
    rankings: pa.Table, qrels: pa.Table, queries: pa.Table, min_relevance: float, zero_gain: float
) -> Evaluation:
    """Measure every arm in the rankings. qrels: those of the evaluated split only."""
    judged = judge_items(
        strings(qrels, "query_id"),
        strings(qrels, "item_id"),
        numbers(qrels, "relevance"),
        min_relevance,
        zero_gain,
    )
    arms = {}
    for arm in dict.fromkeys(strings(rankings, "arm")):
        rows = where(rankings, "arm", arm)
        ranks = numbers(rows, "rank").astype(np.int64)
        arms[arm] = measure(judged, strings(rows, "query_id"), strings(rows, "item_id"), ranks)
    segment = np.array([*strings(queries, "segment"), "unseen"])
    return Evaluation(judged, arms, segment[find(judged.query_ids, strings(queries, "query_id"))])


def relevant_shown(rankings: pa.Table, qrels: pa.Table, min_relevance: float) -> pa.Table:
    """Keep the rows of the rankings that are relevant: arm, query_id, item_id, rank, relevance."""
    relevant = qrels.filter(pc.field("relevance") >= min_relevance)
    wanted = relevant.select(["query_id", "item_id", "relevance"])
    return rankings.join(wanted, ["query_id", "item_id"], join_type="inner")


def recall_curve(shown: pa.Table, arm: str, judged: Judged, depth: int) -> list[float]:
    """Mean recall of an arm in the first 1, 2, ... depth items."""
    rows = where(shown, "arm", arm)
    totals = [
        sum(grade >= judged.threshold for grade in judged.grades[name].values())
        for name in judged.query_ids
    ]
    share = 1 / np.array(totals, dtype=np.float64)
    query = find(strings(rows, "query_id"), judged.query_ids)
    at = np.bincount(numbers(rows, "rank"), share[query], depth + 1)[: depth + 1]
    curve: list[float] = (np.cumsum(at)[1:] / len(totals)).tolist()
    return curve


def digest(rows: pa.Table, columns: Sequence[str]) -> str:
    """Name the content of some columns whatever the order of rows: equal only for equal rows."""
    ordered = rows.select(list(columns)).sort_by([(name, "ascending") for name in columns])
    text = "\n".join("\t".join(map(str, row.values())) for row in ordered.to_pylist())
    return hashlib.sha1(text.encode()).hexdigest()
