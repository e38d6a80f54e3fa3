"""Rows of `negatives` from the results of a search, and the share of false negatives among them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.lake.arrow import texts
from jobs.lake.read import Pinned, read_table
from jobs.platform.tracking import MlflowRun
from jobs.towers.blockwise_search import SearchedBlock
from jobs.towers.dataset import TowerDataset
from models.evaluation.plots import bars
from models.mining.false_negatives import FalseNegativeCounts, hold_out
from models.mining.near_duplicate_titles import near_duplicates
from models.mining.star import Likeness, MinedNegatives, PositiveAwareFilter, RankWindow, mine
from models.text.normalise import normalise_query
from models.training.batches import JudgedItems, Known

RATES = ("relevant_of_judged", "relevant_of_mined", "estimate")


class Miner:
    """Filters block after block and keeps count."""

    def __init__(
        self,
        dataset: TowerDataset,
        like: Likeness,
        window: RankWindow,
        margin: PositiveAwareFilter,
        judgements: JudgedItems | None,
        held_out_frac: float,
        seed: int,
    ) -> None:
        self.dataset, self.like, self.window, self.margin = dataset, like, window, margin
        self.judgements, self.held_out_frac, self.seed = judgements, held_out_frac, seed
        self.known = dataset.known
        self.fewer, self.held_out = hold_out(
            dataset.pair_query, dataset.pair_item, held_out_frac, len(dataset.queries), seed
        )
        self.false_negatives, self.dropped = FalseNegativeCounts(), dict[str, int]()
        self.queries = self.slots = self.filled = 0

    def table(self, block: SearchedBlock) -> pa.Table:
        """Rows of a block's queries."""
        mined = self._mine(block, self.known)
        self.queries += len(block.query)
        self.slots += mined.items.size
        self.filled += mined.filled
        for name, count in mined.dropped.items():
            self.dropped[name] = self.dropped.get(name, 0) + count
        self.false_negatives.count(mined, block.query, self.judgements)
        if self.held_out_frac:
            blind = self._mine(block, self.fewer)
            self.false_negatives.count_blind(blind, block.query, self.held_out)
        return _table(self.dataset, block.query, mined)

    def _mine(self, block: SearchedBlock, known: Known) -> MinedNegatives:
        limits = self.margin.limits(block.positive)
        like, window, seed = self.like, self.window, self.seed
        return mine(block.rows, block.scores, block.query, known, like, window, seed, limits)

    def figures(self) -> dict[str, float]:
        """Queries mined, and the share of their places that random items fill."""
        filled_frac = self.filled / max(1, self.slots)
        return {"queries": self.queries, "filled": self.filled, "filled_frac": filled_frac}

    def rate(self) -> dict[str, float]:
        """Shares of false negatives among all mined items, as far as known."""
        rows = self.false_negatives.rates(self.held_out_frac)
        total = rows[-1] if rows else {}
        return {f"false_negatives_{name}": value for name in RATES if isinstance(value := total.get(name), float)}


def read_likeness(items: Pinned, near_duplicate: float) -> Likeness:
    """Read the likeness of items, in the order of item ids; near_duplicate 0: equal titles alone."""
    labels = read_table(items, ["item_id", "group_id", "title"]).sort_by("item_id")
    titles = [normalise_query(title or "") for title in labels.column("title").to_pylist()]
    coded = pa.array(titles, pa.string()).dictionary_encode()
    near = near_duplicates(texts(coded.dictionary), near_duplicate) if near_duplicate else None
    return Likeness(numbered(labels.column("group_id").to_pylist()), coded.indices.to_numpy().astype(np.int64), near)


def numbered(labels: Sequence[str | None]) -> NDArray[np.int64]:
    """A number per label, equal where the labels are; a missing label equals no other."""
    codes = pa.array(labels, pa.string()).dictionary_encode().indices
    numbers = codes.to_numpy(zero_copy_only=False).astype(np.float64)
    alone = np.arange(len(labels)) + len(labels)
    return np.where(np.isnan(numbers), alone, np.nan_to_num(numbers)).astype(np.int64)


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


def _table(dataset: TowerDataset, query: NDArray[np.int64], mined: MinedNegatives) -> pa.Table:
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
        }
    )
