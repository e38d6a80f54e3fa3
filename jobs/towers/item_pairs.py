"""Training data of towers with items on both sides: what was in one session teaches which texts belong together.

Source: J. Szczerbinski, A. Osowska-Kurczab, Retrieval at Scale (2022): two towers over content, trained on co-clicks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.arrow import Rows, find, numbers, strings
from jobs.lake.read import Pinned, read_table
from jobs.towers.dataset import TowerDataset, rows_of
from jobs.towers.text_store import item_texts


def read_item_pairs(pairs: Pinned, items: Pinned, judged: Pinned | None) -> TowerDataset:
    """Pairs of `co_occurrences` to train on, weighed by `together`; dev sessions of `judged` choose the epoch.

    A query is the text of an item. Items with a session have a row of split train each; the item before the target of a dev
    session has one more, of split dev, so that what training knows of it is not taken for what the session held.
    """
    ids = read_table(items, ["item_id"]).sort_by("item_id").column("item_id").combine_chunks()
    table = read_table(pairs, ["item_id", "other_id", "together"])
    table = table.sort_by([("item_id", "ascending"), ("other_id", "ascending")])
    first, other = rows_of(table, "item_id", ids), rows_of(table, "other_id", ids)
    kept = (first >= 0) & (other >= 0)
    given, target = _dev_pairs(judged, ids) if judged else (first[:0], first[:0])
    living = (given >= 0) & (target >= 0)
    sources, source = np.unique(first[kept], return_inverse=True)
    asked, question = np.unique(given[living], return_inverse=True)
    own, texts = np.concatenate([sources, asked]), item_texts(items)
    splits = np.repeat(["train", "dev"], [len(sources), len(asked)])
    pair_query = np.concatenate([source, len(sources) + question])
    return TowerDataset(
        query_ids=ids.take(pa.array(own, pa.int64())),
        queries=texts(own),
        query_split=splits,
        item_ids=ids,
        item_texts=texts,
        items=items,
        pair_query=pair_query,
        pair_item=np.concatenate([other[kept], target[living]]),
        pair_weight=np.append(numbers(table, "together")[kept], np.ones(living.sum())).astype(np.float32),
        pair_split=splits[pair_query],
        lost=int((~kept).sum() + (~living).sum()),
        own_item=own,
    )


def _dev_pairs(judged: Pinned, ids: pa.Array[Any]) -> tuple[Rows, Rows]:
    """The item before the target, and the target, of sessions of split dev."""
    rows = read_table(judged, ["query_id", "given", "target"], pc.field("split") == "dev").sort_by("query_id")
    given: list[Any] = rows.column("given").to_pylist()
    return find([some[-1] for some in given], ids), find(strings(rows, "target"), ids)
