"""Later purchases -> weights of the items' numbers.

python -m jobs hydration --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-28/step=star --queries queries/ds=2026-01-31 --item_features item_features/ds=2026-01-28 \\
    --click_counts click_counts/ds=2026-01-31 --hydration hydration/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --hydrate auto

Numbers are those of the towers' last day. Purchases of the days after it fit the weights, and those of the last day judge
them: what is expected is what comes later. He et al. 2023 (Etsy); models.ann.hydrate has the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.bundle.files import write_json
from jobs.bundle.tower_files import load_towers
from jobs.embeddings.hydrated import ItemLevels, hydrated
from jobs.embeddings.read_shards import exact_rankings, in_order, pin_shards
from jobs.index.hydration import OFF, ON
from jobs.lake.arrow import Rows, Strings, find, large, strings
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.lake.windows import before_day
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.tracking import mlflow_run
from models.ann.exact import Vectors
from models.ann.fit_hydration import MAX_TAIL_LOSS, BoughtPools, Floats, fit_weights
from models.ann.hydrate import hydrated_queries
from models.evaluation.intervals import mean_interval
from models.fusion.ranked_lists import Ranked
from models.towers.encode import encode_queries
from models.towers.two_tower import TwoTower

WEIGHTS_FILE = "weights.json"


class Args(CommandArgs):
    """embeddings     first shard (0ofN) of the catalogue's vectors; its siblings are read too
    towers         the towers that made them
    queries        queries of the last day, with their splits; those of split test neither fit nor decide
    item_features  numbers of the items on the last day that the towers learnt from
    click_counts   last day: its purchases judge, those of the days between fit
    hydration      output: the weights
    hydrate        off: no weights, nothing is read; auto: used where the gain of the last day is above 0 by more than
                   chance and tail queries lose no more than 0.01; on: used in any case
    numbers        columns of item_features, with commas between them
    depth          length of the list in which purchases are to be found
    pool           nearest items of a query among which the weights are tried
    trials         weights that are tried
    most_queries   queries with purchases that fit, and as many that judge: bounds time and memory
    seed           of the trials and of the sampled queries
    """

    embeddings: Partition
    towers: Partition
    queries: Partition
    item_features: Partition
    click_counts: Partition
    hydration: Partition
    hydrate: Annotated[str, OneOf("off", "auto", "on"), FIRST] = "off"
    numbers: str = "static_score,purchases_28,price_quantile,age_days"
    depth: PositiveInt = 100
    pool: PositiveInt = 500
    trials: PositiveInt = 120
    most_queries: PositiveInt = 3000
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.hydrate == OFF:
            return
        if self.pool <= self.depth:
            raise ValueError(f"pool={self.pool}: expected more than depth={self.depth}")
        if self.towers.ds > self.item_features.ds:
            raise ValueError(
                f"item_features={self.item_features}: of an earlier day than {self.towers}, which have seen the purchases"
                " after it; give those of the towers' day"
            )


@dataclass(frozen=True)
class Purchases:
    """Queries with purchases: their texts, segments and splits; query [n] and item [n]: what was bought after which."""

    queries: list[str]
    segments: NDArray[np.str_]
    test: NDArray[np.bool_]
    query: Rows
    item: Rows

    @property
    def counts(self) -> Rows:
        """Items bought [Q] after each query."""
        return np.bincount(self.query, minlength=len(self.queries)).astype(np.int64)

    def of(self, ranked: Ranked, n_items: int) -> NDArray[np.bool_]:
        """Mask [Q, K] of the items of each query's list that were bought after it."""
        keys = np.arange(len(ranked.items))[:, None] * n_items + ranked.items
        mask: NDArray[np.bool_] = np.isin(keys, self.query * n_items + self.item) & (ranked.items >= 0)
        return mask


def main(args: Args) -> dict[str, Any]:
    """Fit the weights and judge them; without `hydrate` publish the decision alone."""
    if args.hydrate == OFF:
        with publish(args.hydration, args) as out:
            _decide(out, OFF, "hydrate=off")
        return {"hydration": str(args.hydration), "decision": OFF}
    shards, names = pin_shards(args.embeddings), tuple(args.numbers.split(","))
    towers, queries, numbers = pin(args.towers), pin(args.queries), pin(args.item_features)
    days = days_after(args.item_features, args.click_counts)
    inputs = [*shards, towers, queries, numbers, *days]
    with mlflow_run("hydration", args, inputs) as tracked, publish(args.hydration, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        out.facts.update(names=list(names), days=[day.partition.ds for day in days], weights=[0.0] * len(names))
        if len(days) < 2:
            _decide(out, OFF, f"{len(days)} days after {numbers.partition.ds}, expected two or more: one judges")
        else:
            space = Space.of(shards, load_towers(towers), ItemLevels.read(numbers, names))
            _fit_and_judge(args, space, queries, days, out)
    return {"hydration": str(args.hydration), **{name: out.facts[name] for name in ("decision", "reason", "weights")}}


def days_after(item_features: Partition, click_counts: Partition) -> list[Pinned]:
    """The published days of click_counts after that of the numbers, in order."""
    last = pin(click_counts)
    between = before_day(click_counts.table, click_counts.ds, 28).days
    return [day for day in (*between, last) if day.partition.ds > item_features.ds]


def _decide(out: Attempt, decision: str, reason: str) -> None:
    out.facts.update(decision=decision, reason=reason)
    write_json(out.facts.get("weights", []), out.folder / WEIGHTS_FILE)


@dataclass(frozen=True)
class Space:
    """The vectors of a catalogue, the towers that made them, and the levels of its items; ids are sorted."""

    shards: list[Pinned]
    towers: TwoTower
    levels: ItemLevels
    ids: Strings

    @classmethod
    def of(cls, shards: list[Pinned], towers: TwoTower, levels: ItemLevels) -> Space:
        """Read the ids of all shards."""
        ids = [large(read_table(shard, ["item_id"]).column("item_id").chunks) for shard in shards]
        return cls(shards, towers, levels, in_order(ids)[0])

    def nearest(self, queries: list[str], depth: int, weights: Vectors | None = None) -> Ranked:
        """The first items of queries by exact search; with weights by hydrated vectors."""
        vectors, shards = encode_queries(self.towers, queries), self.shards
        if weights is not None:
            vectors = hydrated_queries(vectors, weights, self.towers.config.width)
            shards = hydrated(shards, self.levels)
        return exact_rankings(shards, vectors, min(depth, len(self.ids))).ranked

    def pools(self, bought: Purchases, pool: int) -> BoughtPools:
        """The nearest items of the queries that fit, with their levels and what was bought."""
        ranked = self.nearest(bought.queries, pool)
        levels = self.levels.at(self.ids)[np.maximum(ranked.items, 0)]
        return BoughtPools(ranked.scores, levels, bought.of(ranked, len(self.ids)), bought.counts)

    def recall(self, bought: Purchases, depth: int, weights: Vectors | None = None) -> Floats:
        """Share [Q] of a query's bought items in its first items."""
        ranked = self.nearest(bought.queries, depth, weights)
        found: Floats = bought.of(ranked, len(self.ids)).sum(axis=1) / bought.counts
        return found


def _fit_and_judge(args: Args, space: Space, queries: Pinned, days: list[Pinned], out: Attempt) -> None:
    *fitting, judging = days
    learnt = purchases(fitting, queries, space.ids, args, test=False)
    pools = space.pools(learnt, args.pool)
    weights = fit_weights(pools, args.depth, args.trials, args.seed)
    later = purchases([judging], queries, space.ids, args, test=True)
    figures = judged_by(space.recall(later, args.depth), space.recall(later, args.depth, weights), later)
    certain = pools.certain(weights, args.depth)
    out.facts.update(weights=weights.tolist(), fitted_on=len(learnt.queries), pool_certain=certain, **figures)
    helps = figures["gain"]["low"] > 0 and figures["tail_gain"]["value"] >= MAX_TAIL_LOSS
    gain = "{value:+.4f} [{low:+.4f}, {high:+.4f}]".format(**figures["gain"])
    reason = f"R@{args.depth} of purchases {gain}, tail {figures['tail_gain']['value']:+.4f}"
    _decide(out, ON if helps or args.hydrate == ON else OFF, reason)


def purchases(days: list[Pinned], queries: Pinned, ids: Strings, args: Args, test: bool) -> Purchases:
    """What was bought after which query on these days, of known queries and current items. test: queries of that split too.

    Raises:
        LookupError: nothing was bought.
    """
    parts = [read_table(day, ["query_id", "item_id"], pc.field("purchases") > 0) for day in days]
    bought = pa.concat_tables(parts).group_by(["query_id", "item_id"]).aggregate([])
    rows = read_table(queries, ["query_id", "query", "segment", "split"]).sort_by("query_id")
    if not test:
        rows = rows.filter(pc.field("split") != "test")
    known = large(rows.column("query_id").chunks)
    query = find(large(bought.column("query_id").chunks), known)
    item = find(large(bought.column("item_id").chunks), ids)
    there = (query >= 0) & (item >= 0)
    if not there.any():
        raise LookupError(
            f"{days[-1].partition}: no purchase after a known query of an item of the catalogue; expected some. Does the"
            " log hold purchases? hydrate=off needs none"
        )
    asked = np.unique(query[there])
    if len(asked) > args.most_queries:
        asked = np.sort(np.random.default_rng(args.seed).choice(asked, args.most_queries, replace=False))
    there &= np.isin(query, asked)
    chosen = rows.take(pa.array(asked, pa.int64()))
    segments, splits = (np.array(strings(chosen, name), np.str_) for name in ("segment", "split"))
    return Purchases(
        strings(chosen, "query"), segments, splits == "test", np.searchsorted(asked, query[there]), item[there]
    )


def judged_by(before: Floats, after: Floats, later: Purchases) -> dict[str, Any]:
    """Recall without and with the weights, and the gain with its interval: by queries that are not of split test, which
    decide, of these in segment tail, and by those of split test, which only tell."""
    groups = {"": ~later.test, "tail_": ~later.test & (later.segments == "tail"), "test_": later.test}
    facts: dict[str, Any] = {}
    for name, rows in groups.items():
        gain = (
            mean_interval((after - before)[rows])._asdict()
            if rows.any()
            else dict.fromkeys(("value", "low", "high"), 0.0)
        )
        facts |= {f"{name}queries": int(rows.sum()), f"{name}gain": gain}
        facts |= {f"{name}before": float(before[rows].mean()) if rows.any() else 0.0}
    return facts
