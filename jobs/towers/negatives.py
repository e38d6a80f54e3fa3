"""Towers -> hard negatives, mined from their rankings (STAR).

python -m jobs negatives --towers towers/ds=2026-01-31/step=in_batch --pairs pairs/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --negatives negatives/ds=2026-01-31/space=7f3a5c1e9b2d4a60

The whole catalogue is searched, then the filters of models.mining.star apply in their order. Memory does not grow with
the catalogue. A killed job continues from the last chunk of items encoded, or block of queries searched.
"""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from collections import Counter
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from annotated_types import Interval
from numpy.typing import NDArray

from jobs.bundle.tower_files import load_towers_of
from jobs.embeddings.read_shards import pin_shards
from jobs.lake.arrow import strings, texts
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.tracking import MlflowRun, mlflow_run
from jobs.towers.blockwise_search import SEARCHES, BlockwiseSearch, SearchedBlock, SearchPlan
from jobs.towers.catalogue_vectors import catalogue_vectors
from jobs.towers.cross_encoder_files import read_pair_scorer
from jobs.towers.dataset import TowerDataset, lists_of, read_dataset, read_judgements
from jobs.towers.resume import Scratch
from models.cross_encoder.model import RememberedScores, ScorePairs, log_odds
from models.evaluation.plots import bars
from models.mining.false_negatives import FalseNegativeCounts, hold_out
from models.mining.near_duplicate_titles import near_duplicates
from models.mining.pseudo_positives import pseudo_positives
from models.mining.star import MARGINS, IsRight, Likeness, MinedNegatives, PositiveAwareFilter, RankWindow, mine
from models.text.normalise import normalise_text
from models.text.ragged import Ragged, empty
from models.towers.encode import encode_queries
from models.towers.space_id import items_space, space_id
from models.training.batches import JudgedItems, Known

log = logging.getLogger(__name__)
RATES = ("relevant_of_judged", "relevant_of_mined", "estimate")


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
    cross_encoder  reads the candidates: those that it takes for right are no negatives; empty: none
    negative_below  probability below which an item stays a negative
    pseudo_positives  candidates a query, from rank 1 on and not known, that it reads for pseudo-positives
    positive_above  probability from which one of these is a pseudo-positive
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
    cross_encoder: Partition = NOWHERE
    negative_below: Fraction = 0.1
    pseudo_positives: NonNegativeInt = 0
    positive_above: Fraction = 0.9
    search: Annotated[str, OneOf(*SEARCHES), FIRST] = "exact"
    agreement: Annotated[float, Interval(gt=0, le=1)] = 0.95
    plateau: Annotated[str, OneOf("stop", "warn", "off")] = "warn"
    held_out_frac: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    block_queries: PositiveInt = 8_192
    chunk_items: PositiveInt = 65_536
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        RankWindow(self.r_min, self.r_max, self.per_query)
        if self.pseudo_positives and not self.cross_encoder:
            raise ValueError(f"pseudo_positives={self.pseudo_positives}: give `cross_encoder`, which reads them")
        if self.negative_below > self.positive_above:
            raise ValueError(
                f"negative_below={self.negative_below}, positive_above={self.positive_above}: expected negative_below <="
                " positive_above, or an item would be both"
            )

    def plan(self) -> SearchPlan:
        """Settings of the search."""
        return SearchPlan(self.search, self.r_min, self.r_max, self.block_queries, self.agreement, self.seed)


def main(args: Args) -> dict[str, object]:
    """Search, filter, publish."""
    inputs = [pin(partition) for partition in (args.towers, args.pairs, args.queries, args.items)]
    shards = pin_shards(args.embeddings) if args.embeddings else []
    judged = [pin(args.qrels)] if args.qrels else []
    teacher = [pin(args.cross_encoder)] if args.cross_encoder else []
    inputs += [*shards, *judged, *teacher]
    _check_plateau(args, inputs[0])
    with mlflow_run("negatives", args, inputs) as tracked, publish(args.negatives, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        towers = load_towers_of(inputs[0], args.negatives)
        if args.embeddings and args.embeddings.values["space"] not in (space_id(towers), items_space(towers)):
            raise ValueError(
                f"{args.embeddings}: of another space than {args.towers}, whose items are in space {items_space(towers)}"
            )
        dataset = read_dataset(*inputs[1:4])
        scratch = Scratch(args.negatives, args, inputs)
        vectors = catalogue_vectors(scratch, towers, dataset, shards, args.chunk_items)

        def encode(query: NDArray[np.int64]) -> NDArray[np.float32]:
            return encode_queries(towers, [dataset.queries[row] for row in query.tolist()])

        search = BlockwiseSearch(args.plan(), scratch, vectors, encode, towers.device.type)
        judgements = read_judgements(judged[0], dataset, args.min_relevance) if judged else None
        score = read_pair_scorer(teacher[0], dataset, towers.device) if teacher else None
        miner = Miner(args, dataset, read_likeness(inputs[3], args.near_duplicate), judgements, score)
        query = np.unique(dataset.pair_query[dataset.of_split("train")])
        for number, block in enumerate(search.blocks(query, dataset.known)):
            out.write_table(miner.table(block), f"part-{number:05d}.parquet")
        figures = miner.account(out, tracked, search.facts)
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


class Miner:
    """Filters block after block and keeps count."""

    def __init__(
        self,
        args: Args,
        dataset: TowerDataset,
        like: Likeness,
        judgements: JudgedItems | None,
        score: ScorePairs | None = None,
    ) -> None:
        """score: of a cross-encoder; None: none reads the candidates."""
        self.args, self.dataset, self.like, self.judgements, self.score = args, dataset, like, judgements, score
        self.known = dataset.known
        pairs = dataset.pair_query, dataset.pair_item
        self.fewer, self.held_out = hold_out(*pairs, args.held_out_frac, len(dataset.queries), args.seed)
        self.false_negatives, self.dropped = FalseNegativeCounts(), Counter[str]()
        self.queries = self.slots = self.filled = self.pseudo_positives = 0

    def table(self, block: SearchedBlock) -> pa.Table:
        """Rows of a block's queries."""
        # the same candidates are read for negatives, for the estimate and for pseudo-positives
        score = RememberedScores(self.score, len(self.dataset.item_ids)) if self.score else None
        mined = self._mine(block, self.known, score)
        self.queries += len(block.query)
        self.slots += mined.items.size
        self.filled += mined.filled
        self.dropped.update(mined.dropped)
        self.false_negatives.count(mined, block.query, self.judgements)
        if self.args.held_out_frac:
            blind = self._mine(block, self.fewer, score)
            self.false_negatives.count_blind(blind, block.query, self.held_out)
        pseudo = self._pseudo_positives(block, score)
        self.pseudo_positives += len(pseudo.values)
        return _table(self.dataset, block.query, mined, pseudo)

    def _pseudo_positives(self, block: SearchedBlock, score: ScorePairs | None) -> Ragged:
        """Item rows of each query of a block."""
        if score is None or not self.args.pseudo_positives:
            return empty(len(block.query))
        reads = self.args.pseudo_positives, _at_least(score, self.args.positive_above)
        return lists_of(*pseudo_positives(block.rows, block.query, self.known, *reads), len(block.query))

    def _mine(self, block: SearchedBlock, known: Known, score: ScorePairs | None) -> MinedNegatives:
        args, found = self.args, (block.rows, block.scores, block.query)
        limits = PositiveAwareFilter(args.margin, args.margin_size).limits(block.positive)
        window = RankWindow(args.r_min, args.r_max, args.per_query)
        is_right = _at_least(score, args.negative_below) if score else None
        return mine(*found, known, self.like, window, args.seed, limits, is_right)

    def account(self, out: Attempt, tracked: MlflowRun, search: dict[str, object]) -> dict[str, object]:
        """Record the queries and figures in the manifest and in MLflow; returns those for the command's result.

        search: facts of the search. The shares of false negatives are those among all mined items, as far as known.
        """
        total = len(self.dataset.queries)
        left_out = {"not of split train, or without a pair": total - self.queries}
        out.count("queries", total, self.queries, left_out)
        filled_frac = self.filled / max(1, self.slots)
        figures: dict[str, float] = {"queries": self.queries, "filled": self.filled, "filled_frac": filled_frac}
        rates = self.false_negatives.rates(self.args.held_out_frac)
        every = rates[-1] if rates else {}
        shares = {f"false_negatives_{name}": value for name in RATES if isinstance(value := every.get(name), float)}
        dropped = {f"dropped {name}": count for name, count in self.dropped.items()}
        if self.args.pseudo_positives:
            figures["pseudo_positives"] = self.pseudo_positives
        out.facts.update(figures, **dropped, **search, false_negatives=rates)
        tracked.measures({**figures, **dropped, **shares})
        log_rates(tracked, rates)
        return {**figures, **shares}


def _at_least(score: ScorePairs, probability: float) -> IsRight:
    return lambda query, item: score(query, item) >= log_odds(probability)


def read_likeness(items: Pinned, near_duplicate: float) -> Likeness:
    """Read the likeness of items, in the order of item ids; near_duplicate 0: equal titles alone."""
    labels = read_table(items, ["item_id", "group_id", "title"]).sort_by("item_id")
    titles = pa.array([normalise_text(title) for title in strings(labels, "title")], pa.string()).dictionary_encode()
    near = near_duplicates(texts(titles.dictionary), near_duplicate) if near_duplicate else None
    groups = labels.column("group_id").combine_chunks().dictionary_encode().indices.cast(pa.int64())
    alone = pa.array(np.arange(len(labels)) + len(labels))  # an item without a group equals no other
    group: Any = pc.coalesce(groups, alone)
    return Likeness(group.to_numpy(), titles.indices.to_numpy().astype(np.int64), near)


def log_rates(tracked: MlflowRun, rates: list[dict[str, object]]) -> None:
    """Log the false negatives by rank as a table and a plot."""
    tracked.text(json.dumps(rates, indent=1), "false_negatives.json")
    shown = {
        name: [float(str(row.get(name) or 0.0)) for row in rates] for name in RATES if any(name in row for row in rates)
    }
    if shown:
        plot = bars([str(row["ranks"]) for row in rates], shown, "share that is right")
        svg = b64decode(plot.light.partition(",")[2]).decode()
        tracked.text(svg, "false_negatives.svg")


def _table(dataset: TowerDataset, query: NDArray[np.int64], mined: MinedNegatives, pseudo: Ragged) -> pa.Table:
    """One row per query; random items have rank 0 and no score."""
    filled = mined.items >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(filled.sum(axis=1))]), pa.int32())
    ids = dataset.item_ids.take(pa.array(mined.items[filled], pa.int64()))
    ranks, scores = mined.ranks[filled], mined.scores[filled]
    return pa.table(
        {
            "query_id": dataset.query_ids.take(pa.array(query, pa.int64())),
            "item_ids": pa.ListArray.from_arrays(offsets, ids),
            "ranks": pa.ListArray.from_arrays(offsets, pa.array(ranks, pa.int32())),
            "scores": pa.ListArray.from_arrays(offsets, pa.array(scores, pa.float32(), mask=ranks == 0)),
            "pseudo_positives": pa.ListArray.from_arrays(
                pa.array(pseudo.offsets, pa.int32()), dataset.item_ids.take(pa.array(pseudo.values, pa.int64()))
            ),
        }
    )
