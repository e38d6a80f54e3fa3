"""Queries that an index is tuned on: real dev queries, and their judgements."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import least
from jobs.lake.arrow import Rows, Strings, find, large, strings, where
from jobs.lake.read import Pinned, read_table


class JudgedItems(NamedTuple):
    """Relevant items of tuning queries: query_rows [n] and item_ids [n]."""

    query_rows: Rows
    item_ids: Strings


def tuning_queries(queries: Pinned, wanted: int, qrels: Pinned | None = None) -> pa.Table:
    """Take dev queries (train where there is none) in the order of ids, which are hashes.

    Where there are more than wanted, those that people labelled come first: what is chosen by labels needs them.

    Raises:
        LookupError: there is neither.
    """
    rows = read_table(queries, ["query_id", "query", "split"])
    for split in ("dev", "train"):
        of_split = where(rows, "split", split)
        if of_split.num_rows:
            return _labelled_first(of_split.sort_by("query_id"), wanted, qrels)
    raise LookupError(f"{queries.partition}: no query of split dev or train to tune nprobe on")


def _labelled_first(rows: pa.Table, wanted: int, qrels: Pinned | None) -> pa.Table:
    if rows.num_rows <= wanted or qrels is None or not judged_by_labels(qrels):
        return rows.slice(0, wanted)
    labelled = read_table(qrels, ["query_id"], pc.field("source") == "labels").column("query_id").unique()
    last = pc.invert(pc.is_in(rows.column("query_id"), labelled))
    first = rows.append_column("last", last).sort_by([("last", "ascending"), ("query_id", "ascending")])
    return first.slice(0, wanted).drop_columns("last").sort_by("query_id")


def judged_by_labels(qrels: Pinned) -> bool:
    """Whether people made judgements of dev queries, and not their clicks alone."""
    dev = read_table(qrels, ["source"], pc.field("split") == "dev")
    return "labels" in dev.column("source").unique().to_pylist()


def judged_items(qrels: Pinned, min_relevance: float, asked: pa.Table) -> JudgedItems:
    """Items that are relevant to the tuning queries."""
    rows = read_table(qrels, ["query_id", "item_id"], pc.field("relevance") >= least(min_relevance))
    query = find(strings(rows, "query_id"), strings(asked, "query_id"))
    items = large(rows.column("item_id").chunks)
    return JudgedItems(query[query >= 0], items.filter(pa.array(query >= 0)))


def relevant_keys(qrels: Pinned, min_relevance: float, asked: pa.Table, ids: Strings) -> Rows:
    """Every relevant item of the tuning queries, as query row * len(ids) + item row."""
    query, item_ids = judged_items(qrels, min_relevance, asked)
    item = find(item_ids, ids)
    keys: Rows = (query * len(ids) + item)[item >= 0]
    return keys
