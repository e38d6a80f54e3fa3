"""The values of every query in a published report, as arrays; and the check that two reports are comparable."""

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
# equal in two reports that can be compared
SAME = ("qrels_digest", "min_relevance", "zero_gain", "depth")


@dataclass(frozen=True)
class Values:
    """query_ids [Q] in the order of their bytes; arms: values [Q, measures] of each."""

    query_ids: Strings
    arms: dict[str, Floats]


def check_comparable(before: Pinned, after: Pinned) -> None:
    """Refuse reports of different judgements, scales or depths.

    Raises:
        ValueError: they differ, or a report is too old to have them.
    """
    summaries = [json.loads(report.path("summary.json").read_bytes()) for report in (before, after)]
    unlike = []
    for name in SAME:
        was, now = (summary.get(name) for summary in summaries)
        if was != now or was in (None, ""):
            texts = ["unknown, of older code" if value in (None, "") else str(value)[:12] for value in (now, was)]
            unlike.append(f"{name} {texts[0]} against {texts[1]}")
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
    values_of = {}
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
        values_of[arm] = values
    return Values(ids, values_of)
