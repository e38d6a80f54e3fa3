"""The parts of a bundle that need no encoder: index, ids, titles and facts, which must fit each other."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import faiss
import pyarrow.parquet as pq

from jobs.bundle import files
from jobs.bundle.near_duplicates import prepare
from jobs.lake.arrow import large
from jobs.lake.read import Pinned


def parts(pinned: Pinned, lists: str = "") -> dict[str, Any]:
    """Index, ids, titles and facts of a bundle, which must fit each other."""
    facts = json.loads(pinned.path(files.FACTS_FILE).read_bytes())
    if facts.get("format") not in files.READABLE_FORMATS:
        raise RuntimeError(
            f"{pinned.partition}: bundle format {facts.get('format')}, this code reads"
            f" {', '.join(map(str, files.READABLE_FORMATS))}; build the index again with this code"
        )
    # pq.read_table would bring pandas along
    with pq.ParquetFile(pinned.path(files.IDS_FILE)) as file:
        rows = file.read(["item_id", "title"])
    index = files.read_index(pinned, lists or os.environ.get("NIGHTSHELF_LISTS", "memory"))
    golden = json.loads(pinned.path(files.GOLDEN).read_bytes())
    prepare(index, facts)
    _belong_together(pinned, index, rows.num_rows, facts, golden["space_id"])
    return {
        "index": index,
        "item_ids": large(rows.column("item_id").chunks),
        "titles": large(rows.column("title").chunks),
        "facts": facts,
    }


def _belong_together(pinned: Pinned, index: faiss.Index, n_ids: int, facts: Mapping[str, Any], towers: str) -> None:
    spaces = {"query tower": towers, "facts": facts["space_id"], "address": pinned.partition.values["space"]}
    if len(set(spaces.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: space ids {spaces} differ; build the index again")
    counts = {"vectors": index.ntotal, "ids": n_ids, "items in the facts": facts["items"]}
    if len(set(counts.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: {counts} differ; build the index again")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise RuntimeError(f"{pinned.partition}: its index does not compare inner products")
