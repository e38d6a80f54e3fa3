"""A classroom with judgements: what a sweep of seconds needs."""

from __future__ import annotations

import pyarrow as pa

from jobs.lake.partitions import QRELS, SWEEP
from jobs.lake.publish import publish
from models.text.normalise import query_id
from tests.jobs.towers.classroom import DS, ITEM_IDS, QUERY_IDS, SECRET, TABLES, Args, publish_learning, split_of
from tests.models.shop import positives

QRELS_AT, SWEEP_AT = QRELS.at(ds=DS), SWEEP.at(ds=DS, study="trying")
INPUTS = {**TABLES, "qrels": QRELS_AT}
# seconds: one epoch of a few steps
FIXED = "preset=tiny;dim=16;epochs=1;lr=0.01;synthetic_queries=0;per_query=6;r_max=20"


def publish_classroom() -> None:
    """Pairs, queries and items to learn from; the dev queries and the test query judged."""
    publish_learning()
    rows = [(QUERY_IDS[q], ITEM_IDS[i], "dev") for q, i in positives().tolist() if split_of(q) == "dev"]
    rows.append((query_id(SECRET), ITEM_IDS[0], "test"))
    with publish(QRELS_AT, Args(QRELS_AT)) as out:
        out.write_table(
            pa.table(
                {
                    "query_id": [row[0] for row in rows],
                    "item_id": [row[1] for row in rows],
                    "relevance": [1.0] * len(rows),
                    "split": [row[2] for row in rows],
                    "source": ["labels"] * len(rows),
                }
            )
        )
