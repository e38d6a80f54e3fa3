"""Whose judgements taught the towers: their lists would be scored by vectors that know the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import INDEX, PAIRS, QRELS, TOWERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.reranking.seen_days import last_trained_day, taught_by_labels
from tests.jobs.shop import Args

SPACE = "7f3a5c1e9b2d4a60"


def put(to: Partition, inputs: list[Pinned], rows: dict[str, str] | None = None, **facts: Any) -> Pinned:
    """Publish a partition of these inputs and facts; rows: query_id -> split."""
    with publish(to, Args(to), inputs) as out:
        if rows:
            named = [{"query_id": query_id, "split": split} for query_id, split in rows.items()]
            out.write_table(pa.Table.from_pylist(named, schema=arrow_schema(to.table)))
        (out.folder / "about.txt").write_text(str(to))
        out.facts.update(facts)
    return pin(to)


def test_train_queries_of_judged_pairs_and_of_learnt_labels_are_known(lake: Path) -> None:
    clicked = put(PAIRS.at(ds="2026-01-29"), [], {"a": "train"}, window={"days_read": ["2026-01-29"]})
    judged = put(PAIRS.at(ds="2026-01-30"), [], {"b": "train", "c": "dev"}, min_relevance=2.0)
    labels = put(QRELS.at(ds="2026-01-30"), [], {"d": "train", "e": "test"})
    chosen_by = put(QRELS.at(ds="2026-01-31"), [], {"f": "train"})
    first = put(TOWERS.at(ds="2026-01-30", step="in_batch"), [clicked, judged, labels], label_pairs=1)
    star = put(TOWERS.at(ds="2026-01-31", step="star"), [clicked, chosen_by, first])
    index = put(INDEX.at(ds="2026-01-31", space=SPACE), [star, chosen_by])
    # b by pairs, d by learnt labels, both of the step before; f only chose the epoch
    assert taught_by_labels(index) == {"b", "d"}
    assert last_trained_day(index) == "2026-01-29"
