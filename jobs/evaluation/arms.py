"""The arms of a ranking: those of a bundle, with one hybrid for each method of fusion, and those of other engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.bundle.reader import Bundle
from jobs.index.tuning_queries import relevant_keys
from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick
from jobs.lake.read import Pinned, read_table
from models.fusion.fit import Fitted, fit_votes
from models.fusion.ranked_lists import Ranked, first
from models.fusion.votes import Vote, fuse

Arm = tuple[Ranked, Strings]


@dataclass(frozen=True)
class Lists:
    """Queries as rows query_id, query in order of id, and the dense list of each, `pool` deep, in the bundle's rows."""

    asked: pa.Table
    dense: Ranked

    @property
    def query_ids(self) -> Strings:
        """Their ids."""
        return large(self.asked.column("query_id").chunks)


def bundle_arms(bundle: Bundle, queries: Sequence[str], depth: int, pool: int) -> dict[str, Ranked]:
    """Arms of a bundle, `pool` deep: dense, sparse, hybrid, and hybrid_<method> as each was fitted on dev.

    The hybrid of a method has one vote for all queries. Bundles without a sparse arm have dense alone,
    older ones have one hybrid.
    """
    arms = bundle.rank(queries, pool, pool)
    if "sparse" in arms:
        for row in bundle.facts.get("fusions", []):
            vote = Vote(*(row[name] for name in Vote._fields))
            arms[f"hybrid_{vote.method}"] = fuse(arms["dense"], arms["sparse"], depth, vote)
    return arms


def external_arms(
    stem: str,
    rows: pa.Table,
    bundle: Bundle,
    judged: Lists,
    dev: list[Lists],
    qrels: Pinned,
    min_relevance: float,
    depth: int,
) -> tuple[dict[str, Arm], dict[str, Any]]:
    """Arm run_<stem>, and hybrid_run_<stem> where it answers judged dev queries too; and facts about it.

    rows: what was delivered. Items that the catalogue does not have keep their places: a shopper saw them.
    dev: at most one; the fusion with dense is fitted on it.

    Raises:
        ValueError: it answers none of the judged queries.
    """
    sides = [judged, *dev]
    kept = [_of(rows, one, one.dense.items.shape[1]) for one in sides]
    facts = _facts(stem, rows, kept[0], bundle)
    # a few ids instead of a catalogue's: what either arm shows; dev queries also need what is relevant
    shown = [pick(bundle.item_ids, np.unique(one.dense.items[one.dense.items >= 0])) for one in sides]
    listed = [large(part.column("item_id").chunks) for part in kept]
    wanted = large([*shown, *listed, *([_judged_items(qrels)] if dev else [])]).unique()
    ids = wanted.take(pc.sort_indices(wanted))
    own = [_ranked(part, one, ids) for part, one in zip(kept, sides, strict=True)]
    arms = {f"run_{stem}": (first(own[0], depth), ids)}
    fitted = _fitted(dev, own[1:], bundle, ids, (qrels, min_relevance))
    if fitted.methods[0]["queries"]:
        dense = _in_rows_of(ids, judged.dense, bundle)
        arms[f"hybrid_run_{stem}"] = (fuse(dense, own[0], depth, fitted.vote), ids)
        facts |= {
            "dev_queries": fitted.methods[0]["queries"],
            "fusion": _named(fitted.vote._asdict()),
            "fusions": [_named(row) for row in fitted.methods],
        }
    return arms, facts


def _fitted(dev: list[Lists], own: list[Ranked], bundle: Bundle, ids: Strings, judged: tuple[Pinned, float]) -> Fitted:
    """The fusion of dense with a delivered run, fitted on the dev queries that the run answers."""
    fitted = Fitted()
    for side, theirs in zip(dev, own, strict=True):
        answered = np.flatnonzero((theirs.items >= 0).any(axis=1))
        keys = relevant_keys(*judged, side.asked.take(answered), ids)
        dense = _in_rows_of(ids, side.dense, bundle)
        fitted = fit_votes(_some(dense, answered), _some(theirs, answered), keys, len(ids))
    return fitted


def _of(rows: pa.Table, lists: Lists, depth: int) -> pa.Table:
    """The delivered rows of these queries, to a depth."""
    return rows.filter(pc.field("query_id").isin(lists.query_ids) & (pc.field("rank") <= depth))


def _facts(stem: str, rows: pa.Table, kept: pa.Table, bundle: Bundle) -> dict[str, Any]:
    """How much of what was delivered is judged, and how much of that the catalogue does not have."""
    if not kept.num_rows:
        raise ValueError(
            f"run {stem}: none of its {pc.count_distinct(rows.column('query_id')).as_py():,} queries is"
            " among the judged ones; expected our query_id (sha1 of the normalised text) in a TREC file, or"
            " a Parquet file with the queries as typed"
        )
    unknown = find(large(kept.column("item_id").chunks), bundle.item_ids) < 0
    strange = kept.filter(pa.array(unknown)).column("item_id")
    return {
        "rows": rows.num_rows,
        "queries": pc.count_distinct(rows.column("query_id")).as_py(),
        "judged_queries": pc.count_distinct(kept.column("query_id")).as_py(),
        "unknown_items": pc.count_distinct(strange).as_py(),
        "unknown_places": len(strange),
        "dev_queries": 0,
        "fusion": None,
        "fusions": [],
    }


def _ranked(kept: pa.Table, lists: Lists, ids: Strings) -> Ranked:
    """The kept rows as a ranking in rows of ids, as deep as the dense lists."""
    shape = lists.dense.items.shape
    items, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    query = find(large(kept.column("query_id").chunks), lists.query_ids)
    place = numbers(kept, "rank").astype(np.int64) - 1
    items[query, place] = find(large(kept.column("item_id").chunks), ids)
    scores[query, place] = numbers(kept, "score")
    return Ranked(items, scores)


def _in_rows_of(ids: Strings, dense: Ranked, bundle: Bundle) -> Ranked:
    """A dense list whose items are rows of ids instead of the bundle's; the order of ids is the same."""
    rows = np.unique(dense.items[dense.items >= 0])
    there = find(pick(bundle.item_ids, rows), ids)
    items = there[np.searchsorted(rows, dense.items).clip(max=len(rows) - 1)]
    return Ranked(np.where(dense.items >= 0, items, -1), dense.scores)


def _judged_items(qrels: Pinned) -> Strings:
    return large(read_table(qrels, ["item_id"]).column("item_id").chunks)


def _some(ranked: Ranked, rows: Rows) -> Ranked:
    return Ranked(ranked.items[rows], ranked.scores[rows])


def _named(vote: dict[str, Any]) -> dict[str, Any]:
    """The other arm of this vote is the run, not our sparse one."""
    return {"run" if name == "sparse" else name: value for name, value in vote.items()}
