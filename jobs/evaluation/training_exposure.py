"""What the towers behind an index learnt from: the very pairs and queries that their manifests name."""

from __future__ import annotations

import logging

import pyarrow.compute as pc

from jobs.lake.ancestry import ancestry, each
from jobs.lake.arrow import Strings, large, strings, where
from jobs.lake.read import Pinned, read_table

log = logging.getLogger(__name__)


def learnt_tables(index: Pinned, room: str) -> list[Pinned]:
    """Versions of a table that the towers behind an index were trained on, all steps; empty where none is kept.

    Not those of the judged day: they hold clicks that the towers have never seen.
    """
    towers = [one for one in each(ancestry(index)) if one.room == "towers"]
    found: dict[str, Pinned] = {}
    for one in towers:
        found |= {str(made.source): made.pinned for made in one.made_from if made.room == room and made.pinned}
    if towers and not found:
        log.warning("%s: the %s of its towers are no longer kept", index.partition, room)
    return list(found.values())


def learnt_items(index: Pinned, given: list[Pinned]) -> Strings | None:
    """Items that training saw; given: pairs to take instead. None where nobody knows."""
    tables = given or learnt_tables(index, "pairs")
    if not tables:
        return None
    seen = [read_table(one, ["item_id"], pc.field("split") == "train") for one in tables]
    return large(chunk for rows in seen for chunk in rows.column("item_id").chunks).unique()


def learnt_queries(index: Pinned, otherwise: Pinned) -> list[str]:
    """Texts of the queries that training saw; where the towers' own are no longer kept, those of split train today."""
    texts: list[str] = []
    for one in learnt_tables(index, "queries") or [otherwise]:
        texts += strings(where(read_table(one, ["query", "split"]), "split", "train"), "query")
    return texts
