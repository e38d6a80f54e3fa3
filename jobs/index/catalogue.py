"""What stands in the rows of an index: ids with titles, and sampled items to check it by."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from jobs.bundle import files
from jobs.lake.arrow import Strings, large, pick
from jobs.lake.arrow import texts as as_list
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from models.text.analyser import GUESSED_TEXTS, guess_language

CANARIES = 64


def write_catalogue(items: Pinned, ids: Strings, language: str, seed: int, out: Attempt) -> tuple[Strings, str]:
    """Write ids with titles and the canaries, all in the order of ids; returns their texts and the language.

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
    words = words.take(order)
    guessed = as_list(words.slice(0, GUESSED_TEXTS))
    out.facts["language"] = guess_language(guessed) if language == "auto" else language
    drawn = np.random.default_rng(seed).choice(len(ids), min(CANARIES, len(ids)), False)
    chosen = np.sort(drawn)
    names, texts = as_list(pick(known, chosen)), as_list(pick(words, chosen))
    canaries = dict(zip(names, texts, strict=True))
    files.write_json(canaries, out.folder / files.CANARIES_FILE)
    return words, out.facts["language"]
