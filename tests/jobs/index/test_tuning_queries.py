"""Queries that an index is tuned on: those that people labelled come first, where not all are taken."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from jobs.index.tuning_queries import judged_by_labels, tuning_queries
from jobs.lake.partitions import QRELS, QUERIES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from tests.conftest import Delivery

DAY = "2026-01-31"


def put(to: Partition, rows: list[dict[str, object]]) -> Pinned:
    with publish(to, Delivery(to)) as out:
        out.write_table(pa.Table.from_pylist(rows))
    return pin(to)


def test_labelled_dev_queries_come_first(lake: Path) -> None:
    names = [f"q{number}" for number in range(8)]
    queries = put(
        QUERIES.at(ds=DAY),
        [{"query_id": name, "query": name, "searches": 1, "segment": "tail", "split": "dev"} for name in names],
    )

    def judged(source: str) -> Pinned:
        rows = [
            {"query_id": name, "item_id": "a", "relevance": 1.0, "split": "dev", "source": source}
            for name in ("q6", "q3")
        ]
        return put(QRELS.at(ds=DAY), rows)

    def taken(wanted: int, qrels: Pinned | None) -> list[str]:
        return [str(name) for name in tuning_queries(queries, wanted, qrels).column("query_id").to_pylist()]

    labels = judged("labels")
    assert judged_by_labels(labels)
    assert taken(4, labels) == ["q0", "q1", "q3", "q6"]
    assert taken(1, labels) == ["q3"]
    assert taken(8, labels) == names
    assert taken(4, None) == names[:4]
    clicks = judged("clicks")
    assert not judged_by_labels(clicks) and taken(4, clicks) == names[:4]
