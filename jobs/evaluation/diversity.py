"""Diversity of the lists: the share of the index that they show, repeated products, categories and brands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake.arrow import Rows, Strings, find, large, where
from models.evaluation.arm_overlap import concentration, duplicates, index_behind

TOP = 10


@dataclass(frozen=True)
class Variety:
    """Of an arm's top 10: p90_frac, share of the index that fills 90% of all places; duplicates_frac, share of places
    whose product has a higher place too; category and brand: probability that two places share it (Simpson)."""

    arm: str
    p90_frac: float
    duplicates_frac: float
    category: float
    brand: float


def variety(rankings: pa.Table, items: pa.Table, arms: list[str]) -> list[Variety]:
    """Diversity of the first ten of every list. items: item_id, group_id, category, brand."""
    top = rankings.filter(pc.field("rank") <= TOP)
    ids = large(items.column("item_id").chunks)
    names = {name: _codes(large(items.column(name).chunks)) for name in ("group_id", "category", "brand")}
    # the code of an empty name, which is no name
    blank = {
        name: int(find([""], large(items.column(name).chunks).dictionary_encode().dictionary)[0])
        for name in ("category", "brand")
    }
    rows_by_arm = []
    for arm in arms:
        rows = where(top, "arm", arm)
        query = _codes(large(rows.column("query_id").chunks))
        item = find(large(rows.column("item_id").chunks), ids)
        query, item = query[item >= 0], item[item >= 0]  # an item that left the catalogue has no name
        rows_by_arm.append(
            Variety(
                arm,
                index_behind(item, len(ids)),
                duplicates(query, names["group_id"][item]),
                concentration(*_named(query, names["category"][item], blank["category"])),
                concentration(*_named(query, names["brand"][item], blank["brand"])),
            )
        )
    return rows_by_arm


def _named(query: Rows, name: Rows, blank: int) -> tuple[Rows, Rows]:
    return query[name != blank], name[name != blank]


def _codes(values: Strings) -> NDArray[np.int64]:
    coded = values.dictionary_encode(null_encoding="encode").indices
    return coded.to_numpy(zero_copy_only=False).astype(np.int64)
