"""The arms of a ranking: a bundle's, with one hybrid per fusion method, the champion's, and those of other engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.bundle.reader import Bundle
from jobs.bundle.torch_reader import TorchBundle
from jobs.index.tuning_queries import relevant_keys
from jobs.lake.arrow import Strings, find, large, numbers, pick
from jobs.lake.read import Pinned, read_table
from models.fusion.fit_fusion import FusionFit, fit_fusion
from models.fusion.fuse import FusionWeights, fuse
from models.fusion.ranked_lists import Ranked, first, take

Arm = tuple[Ranked, Strings]


@dataclass(frozen=True)
class DenseLists:
    """Queries as rows query_id, query in order of id, and the dense list of each, `pool` deep, in the bundle's rows."""

    queries: pa.Table
    dense: Ranked

    @property
    def query_ids(self) -> Strings:
        """Ids of the queries."""
        return large(self.queries.column("query_id").chunks)


def bundle_arms(bundle: TorchBundle, queries: Sequence[str], pool: int) -> dict[str, Ranked]:
    """Arms of a bundle: `served`, and uncut, `pool` deep, dense, sparse, hybrid and hybrid_<method>.

    `served` is what a service returns for each query: Bundle.search, with the service's own encoder.
    hybrid_<method> has one pair of weights for all queries, fitted on dev. A bundle without a sparse arm has served
    and dense alone, an older one has one hybrid.
    """
    arms = {"served": bundle.as_served().served(queries), **bundle.rank(queries, pool, pool)}
    if "sparse" in arms:
        for row in bundle.facts.get("fusions", []):
            weights = FusionWeights(*(row[name] for name in FusionWeights._fields))
            arms[f"hybrid_{weights.method}"] = fuse(arms["dense"], arms["sparse"], pool, weights)
    return arms


def champion_arms(champion: TorchBundle | None, texts: Sequence[str], depth: int, pool: int) -> dict[str, Arm]:
    """Arms champion_served, champion_dense, ... of the index in service; none without one."""
    if champion is None:
        return {}
    ranked = {"served": champion.as_served().served(texts), **champion.rank(texts, depth, pool)}
    return {f"champion_{name}": (lists, champion.item_ids) for name, lists in ranked.items()}


def external_arms(
    stem: str,
    rows: pa.Table,
    bundle: Bundle,
    judged: DenseLists,
    dev: DenseLists | None,
    qrels: Pinned,
    min_relevance: float,
    depth: int,
) -> tuple[dict[str, Arm], dict[str, Any]]:
    """Arm run_<stem>, and hybrid_run_<stem> where it has lists for judged dev queries too; and facts about it.

    rows: the delivered rankings. Items that the catalogue does not have keep their places: a shopper saw them.
    dev: the fusion with dense is fitted on it.

    Raises:
        ValueError: it has a list for none of the judged queries.
    """
    sides = [judged] if dev is None else [judged, dev]
    kept = [_of(rows, side, side.dense.items.shape[1]) for side in sides]
    facts = _facts(stem, rows, kept[0], bundle)
    # a few ids instead of a catalogue's: all that either arm shows; dev queries also need what is relevant
    shown = [pick(bundle.item_ids, np.unique(side.dense.items[side.dense.items >= 0])) for side in sides]
    listed = [large(part.column("item_id").chunks) for part in kept]
    wanted = large([*shown, *listed, *([] if dev is None else [_judged_items(qrels)])]).unique()
    ids = wanted.take(pc.sort_indices(wanted))
    own = [_ranked(part, side, ids) for part, side in zip(kept, sides, strict=True)]
    arms = {f"run_{stem}": (first(own[0], depth), ids)}
    fit = FusionFit() if dev is None else _fit(dev, own[1], bundle, ids, (qrels, min_relevance))
    if fit.methods[0]["queries"]:
        dense = _in_rows_of(ids, judged.dense, bundle)
        arms[f"hybrid_run_{stem}"] = (fuse(dense, own[0], depth, fit.weights), ids)
        facts |= {
            "dev_queries": fit.methods[0]["queries"],
            "fusion": _named(fit.weights._asdict()),
            "fusions": [_named(row) for row in fit.methods],
        }
    return arms, facts


def _fit(dev: DenseLists, own: Ranked, bundle: Bundle, ids: Strings, judged: tuple[Pinned, float]) -> FusionFit:
    """Fit the fusion of dense with a delivered run, on the dev queries that the run has lists for."""
    answered = np.flatnonzero((own.items >= 0).any(axis=1))
    keys = relevant_keys(*judged, dev.queries.take(answered), ids)
    dense = _in_rows_of(ids, dev.dense, bundle)
    return fit_fusion(take(dense, answered), take(own, answered), keys, len(ids))


def _of(rows: pa.Table, lists: DenseLists, depth: int) -> pa.Table:
    """The delivered rows of these queries, to a depth."""
    return rows.filter(pc.field("query_id").isin(lists.query_ids) & (pc.field("rank") <= depth))


def _facts(stem: str, rows: pa.Table, kept: pa.Table, bundle: Bundle) -> dict[str, Any]:
    """Counts of delivered rows and queries, of those that are judged, and of items that the catalogue does not have."""
    if not kept.num_rows:
        raise ValueError(
            f"run {stem}: none of its {pc.count_distinct(rows.column('query_id')).as_py():,} queries is"
            " among the judged ones; expected our query_id (sha1 of the normalised text) in a TREC file, or"
            " a Parquet file with the queries as typed"
        )
    unknown = find(large(kept.column("item_id").chunks), bundle.item_ids) < 0
    unknown_items = kept.filter(pa.array(unknown)).column("item_id")
    return {
        "rows": rows.num_rows,
        "queries": pc.count_distinct(rows.column("query_id")).as_py(),
        "judged_queries": pc.count_distinct(kept.column("query_id")).as_py(),
        "unknown_items": pc.count_distinct(unknown_items).as_py(),
        "unknown_places": len(unknown_items),
        "dev_queries": 0,
        "fusion": None,
        "fusions": [],
    }


def _ranked(kept: pa.Table, lists: DenseLists, ids: Strings) -> Ranked:
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
    row_of = find(pick(bundle.item_ids, rows), ids)
    items = row_of[np.searchsorted(rows, dense.items).clip(max=len(rows) - 1)]
    return Ranked(np.where(dense.items >= 0, items, -1), dense.scores)


def _judged_items(qrels: Pinned) -> Strings:
    return large(read_table(qrels, ["item_id"]).column("item_id").chunks)


def _named(weights: dict[str, Any]) -> dict[str, Any]:
    """Name the second arm: here it is the run, not our sparse one."""
    return {"run" if name == "sparse" else name: value for name, value in weights.items()}
