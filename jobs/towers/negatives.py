"""From what a search found to rows of `negatives`, and what share of them is right after all."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.datasets.judgements import relevance_scale
from jobs.lake.arrow import strings, texts
from jobs.lake.read import Pinned, read_table
from jobs.platform.tracking import MlflowRun
from jobs.towers.blockwise_search import Block
from jobs.towers.dataset import Learning, rows_of
from models.evaluation.plots import bars
from models.mining.false_negatives import Tally, hold_out
from models.mining.margin import Margin
from models.mining.near_duplicate_titles import near_duplicates
from models.mining.star import Likeness, Mined, Window, mine
from models.text.normalise import normalise_query
from models.training.batches import Known

RATES = ("relevant_of_judged", "relevant_of_mined", "estimate")
NOBODY = Known(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)


@dataclass(frozen=True)
class Judgements:
    """Items judged, and of these the relevant ones, by query row."""

    judged: Known = field(default_factory=lambda: NOBODY)
    relevant: Known = field(default_factory=lambda: NOBODY)


class Miner:
    """Filters block after block and keeps count."""

    def __init__(
        self,
        learning: Learning,
        like: Likeness,
        window: Window,
        margin: Margin,
        judgements: Judgements,
        held_out_frac: float,
        seed: int,
    ) -> None:
        self.learning, self.like, self.window, self.margin = learning, like, window, margin
        self.judgements, self.held_out_frac, self.seed = judgements, held_out_frac, seed
        self.known = learning.known
        self.fewer, self.held_out = hold_out(
            learning.pair_query, learning.pair_item, held_out_frac, len(learning.queries), seed
        )
        self.tally, self.dropped = Tally(), dict[str, int]()
        self.queries = self.slots = self.filled = 0

    def table(self, block: Block) -> pa.Table:
        """Rows of a block's queries."""
        mined = self._mine(block, self.known)
        self.queries += len(block.query)
        self.slots += mined.items.size
        self.filled += mined.filled
        for name, count in mined.dropped.items():
            self.dropped[name] = self.dropped.get(name, 0) + count
        self.tally.count(mined, block.query, self.judgements.judged, self.judgements.relevant)
        if self.held_out_frac:
            blind = self._mine(block, self.fewer)
            self.tally.count_blind(blind, block.query, self.held_out)
        return _table(self.learning, block.query, mined)

    def _mine(self, block: Block, known: Known) -> Mined:
        most = self.margin.most(block.positive)
        like, window, seed = self.like, self.window, self.seed
        return mine(block.rows, block.scores, block.query, known, like, window, seed, most)

    def figures(self) -> dict[str, float]:
        """What became of the places there are."""
        filled_frac = self.filled / max(1, self.slots)
        return {"queries": self.queries, "filled": self.filled, "filled_frac": filled_frac}

    def rate(self) -> dict[str, float]:
        """The false negatives of all that was mined, as far as known."""
        found = self.tally.rates(self.held_out_frac)
        told = found[-1] if found else {}
        return {f"false_negatives_{name}": value for name in RATES if isinstance(value := told.get(name), float)}


def read_likeness(items: Pinned, near_duplicate: float) -> Likeness:
    """Which items are alike, in the order of item ids; near_duplicate 0: equal titles alone."""
    labels = read_table(items, ["item_id", "group_id", "title"]).sort_by("item_id")
    titles = [normalise_query(title or "") for title in labels.column("title").to_pylist()]
    coded = pa.array(titles, pa.string()).dictionary_encode()
    near = near_duplicates(texts(coded.dictionary), near_duplicate) if near_duplicate else None
    return Likeness(numbered(labels.column("group_id").to_pylist()), coded.indices.to_numpy().astype(np.int64), near)


def read_judgements(qrels: Pinned, learning: Learning, min_relevance: float) -> Judgements:
    """Judgements by row, of every split; relevant from min_relevance on, 0: as their scale says."""
    least = relevance_scale(qrels, min_relevance)[0]
    table = read_table(qrels, ["query_id", "item_id", "relevance"])
    query, item = (
        rows_of(pa.array(strings(table, name), pa.string()), ids)
        for name, ids in (("query_id", learning.query_ids), ("item_id", learning.item_ids))
    )
    there = (query >= 0) & (item >= 0)
    right = there & (table.column("relevance").to_numpy() >= least)
    count = len(learning.queries)
    return Judgements(Known(query[there], item[there], count), Known(query[right], item[right], count))


def numbered(labels: Sequence[str | None]) -> NDArray[np.int64]:
    """A number per label, equal where the labels are; a missing label is like no other."""
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


def _table(learning: Learning, query: NDArray[np.int64], mined: Mined) -> pa.Table:
    """One row per query; ranks from 1, 0 where a random item fills up, without score."""
    there = mined.items >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), pa.int32())
    ids = learning.item_ids.take(pa.array(mined.items[there], pa.int64()))
    ranks, scores = mined.ranks[there], mined.scores[there]
    return pa.table(
        {
            "query_id": learning.query_ids.take(pa.array(query, pa.int64())),
            "item_ids": pa.ListArray.from_arrays(offsets, ids),
            "ranks": pa.ListArray.from_arrays(offsets, pa.array(ranks + 1, pa.int32())),
            "scores": pa.ListArray.from_arrays(offsets, pa.array(scores, pa.float32(), mask=ranks < 0)),
        }
    )
