"""Items and queries that training behind an index saw, from the tables that manifests name."""

from __future__ import annotations

import logging

import pyarrow.compute as pc

from jobs.lake.ancestry import ancestry, each
from jobs.lake.arrow import Strings, large, strings, where
from jobs.lake.read import Pinned, read_table

log = logging.getLogger(__name__)


def training_tables(index: Pinned, table: str) -> list[Pinned]:
    """Versions of a table that the towers behind an index were trained on, all steps; empty where none is kept.

    Not those of the judged day: they hold clicks that the towers have never seen.
    """
    towers = [ancestor for ancestor in each(ancestry(index)) if ancestor.table == "towers"]
    inputs = [source for tower in towers for source in tower.made_from if source.table == table]
    kept = {str(source.source): source.pinned for source in inputs if source.pinned}
    if towers and not kept:
        log.warning("%s: the %s of its towers are no longer kept", index.partition, table)
    return list(kept.values())


def trained_items(index: Pinned, pairs: Pinned | None) -> Strings | None:
    """Items that training saw. pairs: to be read instead of the towers' own. None where neither is known.

    Of recommendations, the items with a session among those that neighbours were made of.
    """
    for neighbours in (one.pinned for one in each(ancestry(index)) if one.table == "item_neighbours"):
        if neighbours is not None:
            return large(read_table(neighbours, ["item_id"], pc.field("support") > 0).column("item_id").chunks)
    tables = [pairs] if pairs is not None else training_tables(index, "pairs")
    if not tables:
        return None
    seen = [read_table(table, ["item_id"], pc.field("split") == "train") for table in tables]
    return large(chunk for rows in seen for chunk in rows.column("item_id").chunks).unique()


def trained_queries(index: Pinned, fallback: Pinned) -> list[str]:
    """Texts of the queries that training saw; where the towers' own are no longer kept, those of split train in
    the fallback."""
    texts: list[str] = []
    for table in training_tables(index, "queries") or [fallback]:
        texts += strings(where(read_table(table, ["query", "split"]), "split", "train"), "query")
    return texts
