"""Home Depot: rankers that learn from people's labels put the retriever's 300 into another order; unjudged counts as 0.

The towers are MiniLM as it is, so they know no label, and the lists of all train queries can be learnt from. The shop
delivers neither clicks nor prices: item features are unknown, and a ranker has words and arms alone. Splits are those
of the queries' hashes; test is what is told.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.bundle.reader import open_bundle
from jobs.bundle.reranker import open_reranker
from jobs.lake.arrow import strings
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import INDEX, ITEM_FEATURES, ITEMS, LISTINGS, QRELS, QUERIES
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from tests.benchmarks._pairs import bert_towers
from tests.benchmarks._ranker_arms import judged_arms, tell_gain
from tests.benchmarks._ranker_shop import LAST, NEURAL, TREES, batch, ranker, served, space_of
from tests.jobs.shop import DS, Args, publish_trained

KINDS: dict[str, dict[str, Any]] = {TREES: {"most_lists": 2_000}, NEURAL: {"most_lists": 2_000, "epochs": 4}}
MEASURES = ("nDCG@10", "RR@60")


def index(folder: Path) -> None:
    """The catalogue and its judgements, MiniLM's vectors, the bundle."""
    assert DS == LAST
    batch(
        [
            f"labelled --folder {folder} --catalogue catalogue/ds={LAST} --labels labels/ds={LAST}",
            f"items --catalogue catalogue/ds={LAST} --items items/ds={LAST}",
            f"queries --labels labels/ds={LAST} --queries queries/ds={LAST}",
            f"qrels --labels labels/ds={LAST} --queries queries/ds={LAST} --items items/ds={LAST} --qrels qrels/ds={LAST}",
        ]
    )
    publish_trained(bert_towers(), "in_batch")
    unknown_numbers()
    batch(served(LAST, space_of(LAST)))


def unknown_numbers() -> None:
    """Item features of a shop without a log: every number is unknown."""
    target, ids = ITEM_FEATURES.at(ds=LAST), strings(read_table(pin(ITEMS.at(ds=LAST)), ["item_id"]), "item_id")
    schema = arrow_schema(target.table)
    days = {"first_day": date.fromisoformat(LAST), "last_day": None}
    columns = [
        pa.array(ids) if field.name == "item_id" else pa.array([days.get(field.name)] * len(ids), field.type)
        for field in schema
    ]
    with publish(target, Args(target)) as out:
        out.write_table(pa.table(columns, schema=schema))
        out.facts["window"] = {"days_read": [LAST]}


def main(folder: Path) -> None:
    """Both kinds of rankers against hybrid, by both measures."""
    index(folder)
    made = LISTINGS.at(ds=LAST, space=space_of(LAST))
    bundle_of = INDEX.at(ds=LAST, space=space_of(LAST))
    tables = f"--queries queries/ds={LAST} --qrels qrels/ds={LAST}"
    batch([f"listings --index {bundle_of} {tables} --unseen_weight 1 --listings {made}"])
    rankers = {kind: open_reranker(pin(ranker(made, kind, 0, 0, **settings))) for kind, settings in KINDS.items()}
    judged = pin(QUERIES.at(ds=LAST)), pin(QRELS.at(ds=LAST))
    found = judged_arms(open_bundle(pin(bundle_of)), *judged, "test", rankers).arms
    for kind in KINDS:
        for measure in MEASURES:
            ours, peer = (np.asarray(found[arm].column(measure)) for arm in (kind, "hybrid"))
            tell_gain(f"ranker: Home Depot, {kind}", ours, peer, "hybrid", f"{len(peer):,} test queries", measure)
