"""Towers -> hard negatives, mined from their rankings (STAR).

python -m jobs negatives --towers towers/ds=2026-01-31/step=in_batch --pairs pairs/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --negatives negatives/ds=2026-01-31/space=7f3a5c1e9b2d4a60

The whole catalogue is searched, then the filters of models.mining.star apply in their order. Memory does not grow with
the catalogue. A killed job continues from the last chunk of items encoded, or block of queries searched.
"""

from __future__ import annotations

import logging
from typing import Annotated

import numpy as np
import torch
from annotated_types import Interval
from numpy.typing import NDArray

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.read_shards import pin_shards
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.tracking import MlflowRun, mlflow_run
from jobs.towers.blockwise_search import SEARCHES, BlockwiseSearch, SearchPlan
from jobs.towers.catalogue_vectors import catalogue_vectors, embedded_vectors
from jobs.towers.dataset import TowerDataset, read_dataset, read_judgements
from jobs.towers.negatives import Miner, log_rates, read_likeness
from jobs.towers.resume import Scratch
from models.mining.star import MARGINS, PositiveAwareFilter, RankWindow
from models.towers.encode import encode_queries
from models.towers.space_id import items_space, space_id
from models.towers.two_tower import TwoTower

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """towers         the towers that search, and that training continues from
    pairs          known positives of every split; none becomes a negative
    queries        texts of the queries; those of split train with a pair are searched
    items          the catalogue
    negatives      output; its key space is the space id of `towers`
    embeddings     first shard of the catalogue's vectors; empty: the catalogue is encoded here
    qrels          judgements that count false negatives; they filter nothing
    min_relevance  relevance from which a judged item is relevant; 0: as the judgements' own scale says
    r_min          the first ranks, up to this one, are skipped: unclicked, yet mostly relevant
    r_max          last rank that is used
    per_query      negatives kept per query
    near_duplicate  overlap of words and trigrams from which two titles are duplicates; 0: only equal ones are
    margin         which candidates score too high to be negatives: those above the best known positive less
                   margin_size (absolute), or less margin_size times its score (relative); off: none
    margin_size    of `margin`
    search         ivf: inverted lists, a few times faster from 100,000 items on
    agreement      share of the exact result that ivf must find, on a sample of queries
    plateau        where the towers' dev recall was still rising: stop, warn, or go on silently (off)
    held_out_frac  share of known positives held out to estimate false negatives; 0: no estimate
    block_queries  queries searched together: bounds memory
    chunk_items    items encoded together: bounds memory
    seed           of random items where too few are left, of lists and samples
    """

    towers: Partition
    pairs: Partition
    queries: Partition
    items: Partition
    negatives: Partition
    embeddings: Partition = NOWHERE
    qrels: Partition = NOWHERE
    min_relevance: float = 0.0
    r_min: Annotated[NonNegativeInt, FIRST] = 30
    r_max: Annotated[PositiveInt, FIRST] = 230
    per_query: Annotated[PositiveInt, FIRST] = 100
    near_duplicate: Annotated[Fraction, FIRST] = 0.0
    margin: Annotated[str, OneOf(*MARGINS), FIRST] = "off"
    margin_size: Annotated[float, Interval(ge=0, le=2)] = 0.05
    search: Annotated[str, OneOf(*SEARCHES), FIRST] = "exact"
    agreement: Annotated[float, Interval(gt=0, le=1)] = 0.95
    plateau: Annotated[str, OneOf("stop", "warn", "off")] = "warn"
    held_out_frac: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    block_queries: PositiveInt = 8_192
    chunk_items: PositiveInt = 65_536
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        RankWindow(self.r_min, self.r_max, self.per_query)
        PositiveAwareFilter(self.margin, self.margin_size)
        self.plan()

    def plan(self) -> SearchPlan:
        """Settings of the search."""
        return SearchPlan(self.search, self.r_min, self.r_max, self.block_queries, self.agreement, self.seed)


def main(args: Args) -> dict[str, object]:
    """Search, filter, publish."""
    inputs = [pin(one) for one in (args.towers, args.pairs, args.queries, args.items)]
    shards = pin_shards(args.embeddings) if args.embeddings else []
    judged = [pin(args.qrels)] if args.qrels else []
    inputs += [*shards, *judged]
    _check_plateau(args, inputs[0])
    with mlflow_run("negatives", args, inputs) as tracked, publish(args.negatives, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        towers = _towers(args, inputs[0])
        dataset = read_dataset(*inputs[1:4])
        scratch = Scratch(args.negatives, args, inputs)
        if shards:
            vectors = embedded_vectors(scratch, shards, dataset.item_ids, towers)
        else:
            vectors = catalogue_vectors(scratch, towers, inputs[3], args.chunk_items)

        def encode(query: NDArray[np.int64]) -> NDArray[np.float32]:
            return encode_queries(towers, [dataset.queries[row] for row in query.tolist()])

        search = BlockwiseSearch(args.plan(), scratch, vectors, encode, towers.device.type)
        miner = _miner(args, dataset, inputs[3], judged)
        query = np.unique(dataset.pair_query[dataset.of_split("train")])
        for number, block in enumerate(search.blocks(query, dataset.known)):
            out.write_table(miner.table(block), f"part-{number:05d}.parquet")
        figures = _account(out, tracked, miner, search, dataset, query)
        out.facts["space_id"] = space_id(towers)
    scratch.remove()
    return {"negatives": str(args.negatives), **figures}


def _check_plateau(args: Args, towers: Pinned) -> None:
    """Refuse, or warn of, towers that still learn: their negatives are soon too easy."""
    plateau = towers.facts.get("plateau")
    if plateau or args.plateau == "off":
        return
    message = (
        f"{args.towers}: found plateau={plateau} in its facts: dev recall was still rising, or was not measured;"
        " expected true: train step 1 for more epochs"
    )
    if plateau is False and args.plateau == "stop":
        raise RuntimeError(f"{message}, or give plateau=warn")
    log.warning("%s", message)


def _towers(args: Args, pinned: Pinned) -> TwoTower:
    towers = load_towers(pinned)
    if (space := space_id(towers)) != args.negatives.values["space"]:
        raise ValueError(
            f"{args.negatives}: {args.towers} has space id {space}; write to {args.negatives.having(space=space)}"
        )
    if args.embeddings and args.embeddings.values["space"] not in (space, items_space(towers)):
        raise ValueError(
            f"{args.embeddings}: of another space than {args.towers}, whose items are in space {items_space(towers)}"
        )
    return towers.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _miner(args: Args, dataset: TowerDataset, items: Pinned, judged: list[Pinned]) -> Miner:
    return Miner(
        dataset,
        read_likeness(items, args.near_duplicate),
        RankWindow(args.r_min, args.r_max, args.per_query),
        PositiveAwareFilter(args.margin, args.margin_size),
        read_judgements(judged[0], dataset, args.min_relevance) if judged else None,
        args.held_out_frac,
        args.seed,
    )


def _account(
    out: Attempt,
    tracked: MlflowRun,
    miner: Miner,
    search: BlockwiseSearch,
    dataset: TowerDataset,
    query: NDArray[np.int64],
) -> dict[str, object]:
    out.count(
        "queries",
        len(dataset.queries),
        len(query),
        {"not of split train, or without a pair": len(dataset.queries) - len(query)},
    )
    figures = miner.figures()
    rates = miner.false_negatives.rates(miner.held_out_frac)
    dropped = {f"dropped {name}": count for name, count in miner.dropped.items()}
    out.facts.update(figures, **dropped, **search.facts, false_negatives=rates)
    numbers = {**figures, **dropped, **miner.rate()}
    tracked.measures(numbers)
    log_rates(tracked, rates)
    return {**figures, **miner.rate()}
