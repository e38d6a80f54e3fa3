"""Read lists of `item_neighbours` as a ranking in rows of the catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from jobs.lake.arrow import Strings, find, large
from jobs.lake.read import Pinned, read_table
from models.fusion.ranked_lists import Ranked


def read_lists(pinned: Pinned, ids: Strings) -> Ranked:
    """Lists of `item_neighbours` as a ranking [N, K] in rows of ids; an item without a list has none."""
    rows = read_table(pinned, ["item_id", "neighbour_ids", "scores"])
    row = find(large(rows.column("item_id").chunks), ids)
    lengths = pc.list_value_length(rows.column("neighbour_ids")).to_numpy()
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shape = (len(ids), max(1, int(lengths.max(initial=0))))
    items, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    owner = np.repeat(row, lengths)
    there = owner >= 0
    flat: list[Any] = [pc.list_flatten(rows.column(name)) for name in ("neighbour_ids", "scores")]
    items[owner[there], place[there]] = find(large(flat[0].chunks), ids)[there]
    scores[owner[there], place[there]] = flat[1].to_numpy()[there]
    return Ranked(items, scores)
