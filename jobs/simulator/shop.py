"""What a simulated day needs of the lake: queries, judgements, and the titles of the engine's items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jobs.lake.read import Pinned, read_table
from jobs.simulator.delivered import delivered_columns
from models.simulator.identities import json_safe

Ints = NDArray[np.int64]
Words = NDArray[np.object_]


@dataclass(frozen=True)
class Shop:
    """texts [Q]: queries as typed; titles, item_ids, safe_ids (JSON) [N] of the engine's items.

    judged: (query, item, relevance) as three arrays; scale: lowest and highest relevance of all labels.
    """

    texts: Words
    titles: Words
    item_ids: Words
    safe_ids: Words
    judged: tuple[Ints, Ints, NDArray[np.float64]]
    scale: tuple[float, float]
    facts: dict[str, int]


def read_shop(catalogue: Pinned, labels: Pinned, engine_items: int, seed: int) -> Shop:
    """Read what may be typed and shown; queries with a `test` label stay out of it.

    Raises:
        LookupError: no query is left, or no judged item is in the catalogue.
    """
    judged = read_table(labels, ["query", "item_id", "relevance", "split"]).to_pandas()
    held_out = judged.loc[judged["split"] == "test", "query"].unique()
    typed = judged[~judged["query"].isin(held_out)]
    items = delivered_columns(catalogue, ["item_id", "title"]).to_pandas()
    items = _engine_items(items, typed["item_id"], engine_items, seed)
    rows = pd.Index(items["item_id"]).get_indexer(pd.Index(typed["item_id"]))
    if not (rows >= 0).any():
        raise LookupError(
            f"{labels.partition}: of {len(typed):,} judgements that may be typed, none is of an item of "
            f"{catalogue.partition}; are both of one shop, and is there a split other than test?"
        )
    query, texts = pd.factorize(typed["query"])
    known = rows >= 0
    ids = items["item_id"].to_numpy(dtype=object)
    return Shop(
        texts=np.asarray(texts, dtype=object),
        titles=items["title"].to_numpy(dtype=object),
        item_ids=ids,
        safe_ids=json_safe(ids),
        judged=(query[known], rows[known], typed["relevance"].to_numpy(np.float64)[known]),
        scale=(float(judged["relevance"].min()), float(judged["relevance"].max())),
        facts={
            "queries_typed": len(texts),
            "queries_held_out": len(held_out),
            "judgements_without_item": int((~known).sum()),
            "engine_items": len(items),
        },
    )


def _engine_items(items: pd.DataFrame, judged: pd.Series[str], limit: int, seed: int) -> pd.DataFrame:
    """The judged items, and a seeded sample of the rest up to the limit, in the catalogue's order."""
    items = items.drop_duplicates("item_id")
    if len(items) <= limit:
        return items
    needed = items["item_id"].isin(judged).to_numpy()
    others = np.flatnonzero(~needed)
    room = max(0, limit - int(needed.sum()))
    sample = np.random.default_rng(seed).choice(others, min(room, len(others)), replace=False)
    return items.iloc[np.sort(np.concatenate([np.flatnonzero(needed), sample]))]
