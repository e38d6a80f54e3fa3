"""What stands in the rows of an index: ids with titles, the sparse arm, and sampled items to check it by."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from jobs import bundle_files as files
from jobs.attempt import Attempt
from jobs.columns import Strings, large
from jobs.columns import texts as as_list
from jobs.reading import Pinned, read_table
from models.analysis import guess_language
from models.sparse import SparseIndex, build_sparse

CANARIES = 64


def write_catalogue(
    items: Pinned, ids: Strings, language: str, seed: int, out: Attempt
) -> SparseIndex:
    """Write ids with titles, the sparse index and the canaries, all in the order of ids.

    Raises:
        RuntimeError: the items are not those of the ids.
    """
    rows = read_table(items, ["item_id", "title", "text"])
    known, titles, words = (large(column.chunks) for column in rows.columns)
    del rows
    order = pc.sort_indices(known)
    known = known.take(order)
    if not known.equals(ids):
        strange = set(known.to_pylist()) ^ set(ids.to_pylist())
        raise RuntimeError(
            f"{out.partition}: {len(ids):,} codes for {len(known):,} items of {items.partition},"
            f" {len(strange):,} only on one side; embed and code this catalogue first"
        )
    files.write_ids(known, titles.take(order), out.folder)
    texts = as_list(words.take(order))
    found = guess_language(texts) if language == "auto" else language
    sparse = build_sparse(texts, found)
    files.write_sparse(sparse, out.folder)
    out.facts["language"] = found
    chosen = np.random.default_rng(seed).choice(len(ids), min(CANARIES, len(ids)), False)
    canaries = {known[row].as_py(): texts[row] for row in sorted(chosen.tolist())}
    files.write_json(canaries, out.folder / files.CANARIES_FILE)
    return sparse
