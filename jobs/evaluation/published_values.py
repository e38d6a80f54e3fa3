"""What a published report measured, query by query, as arrays; and whether two of them may be compared at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.evaluation.measures import arms_in
from jobs.lake.arrow import Strings, find, large, numbers, where
from jobs.lake.read import Pinned

Floats = NDArray[np.float64]
# what two reports must have alike to be compared
SAME = ("qrels_digest", "min_relevance", "zero_gain", "depth")


@dataclass(frozen=True)
class Values:
    """query_ids [Q] in the order of their bytes; arms: values [Q, measures] of each."""

    query_ids: Strings
    arms: dict[str, Floats]


def same_questions(before: Pinned, after: Pinned) -> None:
    """Refuse reports of other judgements, or that took them otherwise.

    Raises:
        ValueError: they are not the same, or a report is too old to say.
    """
    told = [json.loads(one.path("summary.json").read_bytes()) for one in (before, after)]
    unlike = []
    for name in SAME:
        was, now = (one.get(name) for one in told)
        if was != now or was in (None, ""):
            said = ["not said, by older code" if one in (None, "") else str(one)[:12] for one in (now, was)]
            unlike.append(f"{name} {said[0]} against {said[1]}")
    if unlike:
        raise ValueError(
            f"{after.partition} and {before.partition} judged differently: {'; '.join(unlike)}; expected the same:"
            " rank and judge both by the qrels of one day, with one scale and depth"
        )


def read_values(report: Pinned, measures: Sequence[str]) -> Values:
    """The values of every arm but the champion's, which is another one in each report.

    Raises:
        ValueError: an arm lacks a value.
    """
    wanted = pc.field("measure").isin(pa.array(list(measures))) & ~pc.starts_with(pc.field("arm"), "champion_")
    rows = pq.read_table(report.path("measures.parquet"), filters=wanted)
    ids = large(rows.column("query_id").chunks).unique()
    ids = ids.take(pc.sort_indices(ids))
    found = {}
    for arm in arms_in(rows):
        mine = where(rows, "arm", arm)
        values = np.full((len(ids), len(measures)), np.nan)
        query, measure = (large(mine.column(name).chunks) for name in ("query_id", "measure"))
        values[find(query, ids), find(measure, measures)] = numbers(mine, "value")
        if missing := int(np.isnan(values).sum()):
            raise ValueError(
                f"{report.partition}: arm {arm!r} lacks {missing:,} of {values.size:,} values;"
                " expected each query by each measure: make the report again"
            )
        found[arm] = values
    return Values(ids, found)
