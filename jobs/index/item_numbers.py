"""The numbers and words of a bundle's items, and the segments of its queries, which a ranker reads while it serves."""

from __future__ import annotations

import numpy as np

from jobs.bundle.files import write_item_arrays
from jobs.lake.arrow import Strings, find, large, numbers, strings
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from models.reranking.features import item_arrays
from models.reranking.numbers import NUMBERS, number_matrix

LEAST_KNOWN_FRAC = 0.5  # of the catalogue; fewer mean numbers of another shop or of long ago


def write_items_of_rankers(
    item_features: Pinned, items: Pinned, queries: Pinned, ids: Strings, language: str, out: Attempt
) -> None:
    """Write the arrays in the order of ids. A new item, of which the table knows nothing yet, has NaN.

    Raises:
        RuntimeError: the table knows less than half of the items.
    """
    rows = read_table(item_features, ["item_id", *NUMBERS])
    place = find(ids, large(rows.column("item_id").chunks))
    known = place >= 0
    if known.mean() < LEAST_KNOWN_FRAC:
        raise RuntimeError(
            f"{item_features.partition}: knows {int(known.sum()):,} of {len(ids):,} items, expected"
            f" {LEAST_KNOWN_FRAC:.0%} or more; is it of the same shop as {items.partition}?"
        )
    values = np.full((len(ids), len(NUMBERS)), np.nan, np.float32)
    values[known] = number_matrix({name: numbers(rows, name) for name in NUMBERS})[place[known]]
    texts = read_table(items, ["item_id", "title", "brand"]).sort_by("item_id")
    titles, brands = (strings(texts, name) for name in ("title", "brand"))
    day = str(item_features.facts["window"]["days_read"][-1])
    asked = read_table(queries, ["query_id", "segment"])
    segments = strings(asked, "query_id"), strings(asked, "segment")
    arrays = item_arrays(titles, brands, values, language, *segments)
    write_item_arrays(arrays, {"numbers": day, "segments": queries.partition.ds}, out.folder)
    out.facts.update(numbers_day=day, numbers_unknown=int((~known).sum()), queries_known=len(arrays.queries))
