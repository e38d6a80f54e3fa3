"""The figures of a report: every arm over the same judged queries, whole and by segment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.datasets.judgements import Judgements, judge_items
from jobs.lake.arrow import numbers, table_of, where
from models.evaluation.intervals import Interval, mean_intervals
from models.evaluation.measures import Measured, measure, measures_for
from models.evaluation.qrels import Hits

Mask = NDArray[np.bool_]
Groups = Mapping[str, Mapping[str, Mask]]
T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """All arms over the same queries. groups: group -> segment -> queries [Q]; a query may be in several."""

    judgements: Judgements
    arms: dict[str, Measured]
    hits: dict[str, Hits]
    depth: int
    groups: Groups = field(default_factory=dict)
    _spans: dict[str, dict[str, Interval]] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The measures."""
        return next(iter(self.arms.values())).names

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Arm -> measure -> mean."""
        return {arm: measured.means() for arm, measured in self.arms.items()}

    def means_of(self, arm: str, name: str, queries: Mask) -> float:
        """Mean of one measure over the queries of a mask."""
        return float(self.arms[arm].column(name)[queries].mean())

    def intervals(self, arm: str) -> dict[str, Interval]:
        """Measure -> mean with its 95% interval over queries; drawn once for all who ask."""
        if arm not in self._spans:
            self._spans[arm] = dict(zip(self.names, mean_intervals(self.arms[arm].values), strict=True))
        return self._spans[arm]

    def segments(self) -> Iterator[tuple[str, str, Mask]]:
        """(group, segment, queries [Q]) of every segment with any query."""
        for group, segments in self.groups.items():
            yield from ((group, name, queries) for name, queries in segments.items() if queries.any())

    def by_segment(self, figure: Callable[[Mask], T]) -> dict[str, dict[str, T]]:
        """Group -> segment -> a figure of its queries."""
        figures: dict[str, dict[str, T]] = {}
        for group, name, queries in self.segments():
            figures.setdefault(group, {})[name] = figure(queries)
        return figures

    def table(self) -> pa.Table:
        """Per-query values as rows: arm, query_id, measure, value. Later outcomes may be joined to them."""
        parts = []
        for arm, measured in self.arms.items():
            n_queries, n_names = measured.values.shape
            columns = {
                "arm": pa.repeat(arm, n_queries * n_names),
                "query_id": np.repeat(np.array(measured.query_ids), n_names),
                "measure": np.tile(np.array(measured.names), n_queries),
                "value": measured.values.reshape(-1),
            }
            parts.append(table_of(columns))
        return pa.concat_tables(parts)

    def segment_table(self) -> pa.Table:
        """Rows query_id, group, segment: one for each segment that a query is in."""
        ids, rows = np.array(self.judgements.query_ids), [*self.segments()]
        return table_of(
            {
                "query_id": np.concatenate([np.zeros(0, np.str_), *(ids[mask] for _, _, mask in rows)]),
                "group": pa.array([group for group, _, mask in rows for _ in range(int(mask.sum()))], pa.string()),
                "segment": pa.array([name for _, name, mask in rows for _ in range(int(mask.sum()))], pa.string()),
            }
        )


def evaluate(
    rankings: pa.Table,
    qrels: pa.Table,
    min_relevance: float,
    zero_gain: float,
    depth: int = 0,
    more: Sequence[str] = (),
) -> Evaluation:
    """Measure every arm in the rankings. qrels: those of the evaluated split only. depth: of the rankings; 0: as
    deep as the deepest. more: further measures, such as RR@25."""
    judgements = judge_items(qrels, min_relevance, zero_gain)
    depth = depth or int(numbers(rankings, "rank").max(initial=0))
    names = (*measures_for(depth), *more)
    arms, hits = {}, {}
    for arm in arms_in(rankings):
        hits[arm] = judgements.hits(where(rankings, "arm", arm))
        values = measure(judgements.judged, hits[arm], names)
        arms[arm] = Measured(judgements.query_ids, names, values)
    return Evaluation(judgements, arms, hits, depth)


def arms_in(rankings: pa.Table) -> list[str]:
    """The arms, in the order in which they come."""
    return [str(value) for value in rankings.column("arm").unique().to_pylist()]


def digest(rows: pa.Table, columns: Sequence[str]) -> str:
    """Name the content of some columns whatever the order of rows: equal only for equal rows."""
    ordered = rows.select(list(columns)).sort_by([(name, "ascending") for name in columns])
    values = zip(*(ordered.column(name).to_pylist() for name in columns), strict=True)
    text = "\n".join(json.dumps(row) for row in values)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
