"""Co-occurrences and vectors -> neighbours of every item.

python -m jobs item_neighbours --items items/ds=2026-01-31 --co_occurrences co_occurrences/ds=2026-01-31 \\
    --content embeddings/ds=2026-01-31/space=5b1e0c33a7d2f498/shard=0of1 \\
    --prod2vec embeddings/ds=2026-01-31/space=90c1b7e2d4a6f835/shard=0of1 \\
    --holdout_sessions holdout_sessions/ds=2026-01-31 --item_neighbours item_neighbours/ds=2026-01-31/method=hybrid

hybrid is a mixture of all arms, whose weights are fitted on dev sessions for items of no, little and much support; another
method is one arm alone. Memory does not grow with the catalogue but for ids and a few numbers an item. A killed job
continues from its last block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from jobs.embeddings.read_shards import pin_shards
from jobs.lake.arrow import Rows
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.progress import progress
from jobs.platform.tracking import mlflow_run
from jobs.recommendations.judge_lists import SHOWN, held_out, judge, standing, write_arms
from jobs.recommendations.neighbour_lists import Catalogue, Limits, NeighbourLists
from jobs.towers.blockwise_search import SEARCHES, BlockwiseSearch, SearchPlan
from jobs.towers.catalogue_vectors import read_shards_into
from jobs.towers.resume import Scratch
from models.ann.exact import nearest, pieces
from models.fusion.mixture import fit_mixture
from models.fusion.ranked_lists import Ranked, take
from models.recommendations.arms import ARMS, CLASSES, START, classes_of
from models.training.batches import Known

log = logging.getLogger(__name__)
HYBRID = "hybrid"
SPACES = ("content", "prod2vec", "co_click")
Floats = NDArray[np.float64]
NO_ITEMS = np.zeros(0, np.int64)


class Args(CommandArgs):
    """items             the catalogue: every living item gets its neighbours
    co_occurrences    pairs of items of one session
    content           first shard of content vectors
    item_neighbours   output; its key method is hybrid, or an arm
    prod2vec          first shard of vectors learnt from sessions; empty: without that arm
    co_click          first shard of vectors of towers that learnt from co-occurrences; empty: without that arm
    holdout_sessions  sessions that judge: split dev fits the weights, split test judges what is served; empty: the
                      usual weights, and nothing is judged
    depth             neighbours of an item
    pool              items of each arm that are mixed
    thin              clients below which little is known of an item
    min_cosine        content that is less alike is too far
    near_duplicate    cosine of content from which two items are the same thing
    min_sessions      dev sessions that a class of items needs for weights of its own
    judged_sessions   sessions of dev and of test that are read, at most; those of test keep the lists of every arm
    search            ivf: inverted lists, a few times faster from 100,000 items on
    agreement         share of the exact result that ivf must find, on a sample of items
    block_items       items whose lists are made together: bounds memory
    seed              of inverted lists and samples
    """

    items: Partition
    co_occurrences: Partition
    content: Partition
    item_neighbours: Partition
    prod2vec: Partition = NOWHERE
    co_click: Partition = NOWHERE
    holdout_sessions: Partition = NOWHERE
    depth: PositiveInt = 100
    pool: PositiveInt = 200
    thin: Annotated[PositiveInt, FIRST] = 20
    min_cosine: Annotated[float, Interval(ge=-1, le=1), FIRST] = 0.1
    near_duplicate: Annotated[float, Interval(gt=0, le=2), FIRST] = 0.98
    min_sessions: PositiveInt = 50
    judged_sessions: PositiveInt = 20_000
    search: Annotated[str, OneOf(*SEARCHES), FIRST] = "exact"
    agreement: Annotated[float, Interval(gt=0, le=1)] = 0.95
    block_items: PositiveInt = 8_192
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        method = self.item_neighbours.values["method"]
        if method not in (HYBRID, *ARMS) or self.depth > self.pool:
            raise ValueError(
                f"method={method}, depth={self.depth}, pool={self.pool}: expected method {HYBRID} or one of"
                f" {', '.join(ARMS)}, and depth <= pool"
            )

    def limits(self) -> Limits:
        """Limits of the lists."""
        return Limits(self.depth, self.pool, self.thin, self.min_cosine, self.near_duplicate)


def main(args: Args) -> dict[str, Any]:
    """Search, mix, publish."""
    items, pairs = pin(args.items), pin(args.co_occurrences)
    shards = {name: pin_shards(at) for name in SPACES if (at := getattr(args, name))}
    judged = pin(args.holdout_sessions) if args.holdout_sessions else None
    inputs = [items, pairs, *(one for some in shards.values() for one in some), *([judged] if judged else [])]
    with mlflow_run("item_neighbours", args, inputs) as tracked, publish(args.item_neighbours, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        catalogue = Catalogue.read(items)
        spaces = {name: Space(args, name, some, catalogue, inputs) for name, some in shards.items()}
        lists = NeighbourLists(catalogue, pairs, spaces["content"].vectors, args.limits())
        weights = Weights(args, lists, spaces)
        figures: dict[str, Any] = weights.fit(judged) if judged else {}
        out.facts["judged"] = weights.judge(judged, out) if judged else {}
        out.facts["judged_sessions"] = args.judged_sessions
        listed = covered = 0
        for number, (rows, made) in enumerate(blocks(lists, spaces)):
            best = lists.lists(rows, made, weights.values)
            out.write_table(lists.table(rows, best), f"part-{number:05d}.parquet")
            listed, covered = listed + len(rows), covered + int((best.items[:, 0] >= 0).sum())
            fault_point("item_neighbours.block")
        figures |= {"items": listed, "coverage": covered / max(1, listed)}
        out.facts.update(figures, weights=weights.facts(), **{name: space.facts for name, space in spaces.items()})
        out.count("items", items.manifest.rows, listed, {})
        tracked.measures(figures | _flat(out.facts["judged"]))
    for space in spaces.values():
        space.scratch.remove()
    return {"item_neighbours": str(args.item_neighbours), **figures, "judged": out.facts["judged"]}


def _flat(judged: dict[str, Any]) -> dict[str, float]:
    """Measures of each arm over all test sessions, under names for MLflow."""
    arms = judged.get("arms", {})
    return {f"test/{arm}/{name}": value for arm, groups in arms.items() for name, value in groups["all"].items()}


class Space:
    """One space of vectors: a file in the order of item ids, and its search."""

    def __init__(self, args: Args, name: str, shards: list[Pinned], catalogue: Catalogue, inputs: list[Pinned]) -> None:
        # work in progress of each space has a folder of its own
        place = args.item_neighbours.having(method=f"{args.item_neighbours.values['method']}_{name}")
        self.scratch = Scratch(place, args, inputs)
        self.vectors = self.scratch.vectors("items", len(catalogue), int(shards[0].facts["dim"]))
        read_shards_into(self.vectors, shards, catalogue.ids)
        self.pool = min(args.pool + 1, len(catalogue))  # an item finds itself first
        plan = SearchPlan(args.search, 0, self.pool, args.block_items, args.agreement, args.seed)
        self.search = BlockwiseSearch(plan, self.scratch, self.vectors, self.vectors.take, "cpu")

    def blocks(self) -> Iterator[Ranked]:
        """Nearest items of all rows, block by block; found blocks are kept until the table is published."""
        count = self.vectors.shape[0]
        for block in self.search.blocks(np.arange(count), Known(NO_ITEMS, NO_ITEMS, count)):
            yield Ranked(block.rows, block.scores)

    def of(self, rows: Rows) -> Ranked:
        """Nearest items of some rows, searched exactly."""
        scores, near = nearest(self.vectors.take(rows), pieces(self.vectors), self.pool)
        return Ranked(near, scores)

    @property
    def facts(self) -> dict[str, object]:
        """Facts of the search."""
        return self.search.facts


def blocks(lists: NeighbourLists, spaces: dict[str, Space]) -> Iterator[tuple[Rows, list[Ranked]]]:
    """Rows of the catalogue, and their arms, block by block."""
    start = 0
    with progress("item_neighbours", len(lists.catalogue), "items") as advance:
        for near in zip(*(space.blocks() for space in spaces.values()), strict=True):
            rows = np.arange(start, start + len(near[0].items))
            yield rows, lists.arms(rows, dict(zip(spaces, near, strict=True)))
            start += len(rows)
            advance(len(rows))


class Weights:
    """Weights [C, A] of each arm for each class of support, fitted and judged on sessions that were held out."""

    def __init__(self, args: Args, lists: NeighbourLists, spaces: dict[str, Space]) -> None:
        self.args, self.lists, self.spaces = args, lists, spaces
        method = args.item_neighbours.values["method"]
        self.fitted = method == HYBRID
        alone = np.array([float(name == method) for name in ARMS])
        self.values: Floats = START.copy() if self.fitted else np.tile(alone, (len(CLASSES), 1))

    def fit(self, judged: Pinned) -> dict[str, float]:
        """Fit the weights on dev sessions: the target, predicted from the item before it. Returns figures by class."""
        source, target, _ = held_out(judged, "dev", self.lists.catalogue.ids, self.args.judged_sessions)
        classes = classes_of(self.lists.support[source], self.args.thin)
        counts = np.bincount(classes, minlength=len(CLASSES))
        kept = (counts >= self.args.min_sessions)[classes]
        if not self.fitted or not kept.any():
            log.warning("%s: the usual weights stay; dev sessions by class: %s", judged.partition, counts.tolist())
            return {}
        asked, place = np.unique(source[kept], return_inverse=True)
        made = [take(arm, place) for arm in self._arms(asked)]
        self.values, worth = fit_mixture(made, target[kept], classes[kept], len(CLASSES), self.values)
        figures: dict[str, float] = {}
        for name, (before, after), sessions in zip(CLASSES, worth.tolist(), counts.tolist(), strict=True):
            figures |= {f"dev_sessions_{name}": sessions, f"dev_rr_{name}": after, f"dev_rr_{name}_before": before}
        return figures

    def judge(self, judged: Pinned, out: Attempt) -> dict[str, Any]:
        """Judge the very lists that are served, and standing arms, on test sessions; nothing where there is none.

        The lists of every other arm for the items that the sessions begin at stay in `out`, for `neighbour_rankings`.
        """
        ids, support, depth = self.lists.catalogue.ids, self.lists.support, self.args.depth
        source, target, _ = held_out(judged, "test", ids, self.args.judged_sessions)
        if not len(source):
            log.warning("%s: no test session begins at a living item; nothing is judged", judged.partition)
            return {}
        asked, place = np.unique(source, return_inverse=True)
        made = self._arms(asked)
        others = standing(made, support, depth)
        more = {name: made[ARMS.index(name)] for name in SHOWN} | {"hybrid": self.lists.mixed(asked, made, self.values)}
        write_arms(out, others | more, asked, ids, depth)
        arms = {"served": self.lists.lists(asked, made, self.values), **others}
        by_session = {name: take(lists, place) for name, lists in arms.items()}
        group = self.lists.catalogue.group
        hidden = (target >= 0) & (group[target] == group[source])
        return judge(by_session, target, classes_of(support[source], self.args.thin), len(ids), hidden)

    def _arms(self, asked: Rows) -> list[Ranked]:
        """Every arm of these rows, ascending."""
        return self.lists.arms(asked, {name: space.of(asked) for name, space in self.spaces.items()})

    def facts(self) -> dict[str, dict[str, float]]:
        """Class -> arm -> weight."""
        rows = zip(CLASSES, self.values.round(4).tolist(), strict=True)
        return {name: dict(zip(ARMS, row, strict=True)) for name, row in rows}
