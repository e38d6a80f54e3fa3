"""Judged queries: few queries with many judgements each."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.datasets.judgements import judged_in
from jobs.lake.partitions import QRELS
from jobs.lake.publish import publish
from jobs.lake.read import pin


@dataclass(frozen=True)
class Args:
    """x  anything"""

    x: str = ""


def test_judged_queries_need_memory_for_queries_not_for_judgements(lake: Path) -> None:
    n, at = 600_000, QRELS.at(ds="2026-01-31")
    ids = pa.array([f"query-{row}" for row in range(50)]).take(pa.array(np.arange(n) % 50))
    split = pa.array(["dev", "train"]).take(pa.array((np.arange(n) % 50 >= 20).astype(np.int64)))
    with publish(at, Args()) as out:
        pq.write_table(pa.table({"query_id": ids, "split": split}), out.folder / "qrels.parquet")
    qrels = pin(at)
    assert judged_in(qrels, "no such") == set()  # and what is imported once is imported
    tracemalloc.start()
    found = judged_in(qrels, "dev")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {f"query-{row}" for row in range(20)}
    assert peak < 6e6, "240,000 Python strings weigh some 16 MB; reading takes 4"
