"""Lists belong to their bundle, and none is made of judgements that taught its towers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import INDEX, LISTINGS, PAIRS, QRELS, TOWERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.reranking.dataset import made_of
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


def test_a_list_is_read_with_the_very_bundle_that_made_it_and_another_is_refused(lake: Path) -> None:
    at = INDEX.at(ds="2026-01-31", space=SPACE)
    index = put(at, [], number=1)
    listings = put(LISTINGS.at(ds="2026-02-07", space=SPACE), [index])
    put(at, [], number=2)  # the address has another bundle by now
    found = made_of(listings, "index")
    assert (found.facts["number"], found.manifest_sha256) == (1, index.manifest_sha256)
    assert pin(at).facts["number"] == 2
    forged = replace(listings.manifest, inputs=[replace(index.source, manifest_sha256="0" * 64)])
    with pytest.raises(RuntimeError, match="make the listings again"):
        made_of(replace(listings, manifest=forged), "index")
