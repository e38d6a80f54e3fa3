"""Towers -> hard negatives (STAR): what they rank high for a training query and nobody clicked.

python -m jobs.negatives --towers towers/ds=2026-01-31/step=in_batch --pairs pairs/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --negatives negatives/ds=2026-01-31/towers=7f3a5c1e9b2d4a60

Exact search over the whole catalogue, then the filters of models.mining in their order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from jobs.cli import run
from jobs.lake import Partition
from jobs.training.learning import Learning, read_learning
from jobs.progress import progress
from jobs.publish import publish
from jobs.reading import Pinned, pin, read_table
from jobs.tracking import mlflow_run
from jobs.weights import load_towers
from models.encode import encode_queries, item_vectors
from models.mining import Mined, Window, mine, nearest
from models.normalise import normalise_query
from models.towers import TwoTower, space_id

log = logging.getLogger(__name__)
CHUNK_ITEMS = 65_536


@dataclass(frozen=True)
class Args:
    """towers     the towers that search, and that training will go on from
    pairs      known positives of every split: none becomes a negative
    queries    the texts of the queries; those of split train with a pair are searched
    items      the catalogue
    negatives  output; its key towers is the space id of `towers`
    r_min      ranks above this one (from 0) are skipped: unclicked, yet mostly right
    r_max      ranks from this one on are not looked at
    per_query  negatives kept of each query
    seed       of the random items where too few are left
    """

    towers: Partition
    pairs: Partition
    queries: Partition
    items: Partition
    negatives: Partition
    r_min: int = 30
    r_max: int = 230
    per_query: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        Window(self.r_min, self.r_max, self.per_query)


def main(args: Args) -> dict[str, object]:
    """Search, filter, publish."""
    inputs = [pin(one) for one in (args.towers, args.pairs, args.queries, args.items)]
    with (
        mlflow_run("negatives", args, inputs) as tracked,
        publish(args.negatives, args, inputs) as out,
    ):
        out.mlflow_run_id = tracked.id
        towers = load_towers(inputs[0])
        if space_id(towers) != args.negatives.values["towers"]:
            raise ValueError(
                f"{args.negatives}: {args.towers} has space id {space_id(towers)}; write to"
                f" {args.negatives.having(towers=space_id(towers))}"
            )
        towers.to("cuda" if torch.cuda.is_available() else "cpu")
        learning = read_learning(*inputs[1:])
        query = np.unique(learning.pair_query[learning.of_split("train")])
        mined = _mine(args, towers, learning, inputs[3], query)
        out.write_table(_table(learning, query, mined))
        slots = mined.items.size
        out.count("queries", len(learning.queries), len(query),
                  {"not of split train, or without a pair": len(learning.queries) - len(query)})  # fmt: skip
        figures = {
            "queries": len(query),
            "filled": mined.filled,
            "filled_frac": mined.filled / max(1, slots),
        }
        dropped = {f"dropped {name}": count for name, count in mined.dropped.items()}
        out.facts.update(space_id=space_id(towers), **figures, **dropped)
        tracked.measures({**figures, **dropped})
    return {"negatives": str(args.negatives), **figures}


def _mine(
    args: Args, towers: TwoTower, learning: Learning, items: Pinned, query: NDArray[np.int64]
) -> Mined:
    asked = encode_queries(towers, [learning.queries[row] for row in query])
    with progress("negatives", len(learning.item_texts), "items") as advance:

        def texts() -> Iterator[list[str]]:
            for start in range(0, len(learning.item_texts), CHUNK_ITEMS):
                chunk = learning.item_texts[start : start + CHUNK_ITEMS]
                yield chunk
                advance(len(chunk))

        scores, found = nearest(asked, item_vectors(towers, texts()), args.r_max)
    labels = read_table(items, ["item_id", "group_id", "title"]).sort_by("item_id")
    titles = [normalise_query(title or "") for title in labels.column("title").to_pylist()]
    return mine(
        found,
        scores,
        query,
        learning.known,
        _numbers(labels.column("group_id").to_pylist()),
        _numbers(titles),
        Window(args.r_min, args.r_max, args.per_query),
        args.seed,
    )


def _numbers(labels: Sequence[str | None]) -> NDArray[np.int64]:
    """A number per label, equal where the labels are; a missing label is like no other."""
    codes = pa.array(labels, pa.string()).dictionary_encode().indices
    numbers = codes.to_numpy(zero_copy_only=False).astype(np.float64)
    alone = np.arange(len(labels)) + len(labels)
    return np.where(np.isnan(numbers), alone, np.nan_to_num(numbers)).astype(np.int64)


def _table(learning: Learning, query: NDArray[np.int64], mined: Mined) -> pa.Table:
    """One row per query; ranks from 1, 0 where a random item fills up, without score."""
    there = mined.items >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), pa.int32())
    ids = learning.item_ids.take(pa.array(mined.items[there], pa.int64()))
    ranks, scores = mined.ranks[there], mined.scores[there]
    return pa.table({
        "query_id": learning.query_ids.take(pa.array(query, pa.int64())),
        "item_ids": pa.ListArray.from_arrays(offsets, ids),
        "ranks": pa.ListArray.from_arrays(offsets, pa.array(ranks + 1, pa.int32())),
        "scores": pa.ListArray.from_arrays(offsets, pa.array(scores, pa.float32(), mask=ranks < 0)),
    })  # fmt: skip


if __name__ == "__main__":
    run(Args, main)
