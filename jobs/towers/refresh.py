"""Towers -> a retrained query tower; the index stays (ADORE).

python -m jobs refresh --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --start towers/ds=2026-01-31/step=star --towers towers/ds=2026-01-31/step=adore

The items do not move: `jobs.index.build` takes the embeddings of the towers gone on from. Where dev recall does not surely
rise, the towers that were given are published again as they were.
"""

from __future__ import annotations

import logging
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.bundle.tower_files import load_towers, write_towers
from jobs.embeddings.read_shards import pin_shards
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition, trial
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf, PositiveFloat, PositiveInt
from jobs.platform.progress import progress
from jobs.platform.registry import register_towers
from jobs.platform.tracking import MlflowRun, mlflow_run
from jobs.towers.catalogue_vectors import CHUNK, catalogue_vectors, embedded_vectors
from jobs.towers.dataset import Learning, read_learning
from jobs.towers.resume import Scratch, VectorFile
from models.ann.exact import nearest, pieces
from models.evaluation.recall import recall_and_rr, surely_better
from models.towers.encode import TOKEN_BUDGET, encode_store
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.adore import Frozen, Refresh, Refreshing, own_query_tower
from models.training.batches import Pairs
from models.training.crops import crops

log = logging.getLogger(__name__)
CUTOFF, GOLDEN = 60, 16
NOTHING_TO_DO = 99  # Airflow skips what follows
Values = NDArray[np.float64]


class Args(CommandArgs):
    """pairs        positives; those of split train are trained on; none of any split becomes a negative
    queries      their texts
    items        the catalogue, whose vectors do not change
    start        towers to continue from
    towers       output, step adore
    embeddings   first shard of the catalogue's vectors by `start`; empty: encoded here
    epochs       epochs at most; the best one counts
    batch_size   pairs per step; each step searches the catalogue for each of their queries
    depth        items searched for each query: its negatives
    lr           learning rate of BERT and the fusion layer
    trigram_lr   learning rate of the hashed embedding
    temperature  of the cosines in the loss
    on_worse     where dev recall does not rise significantly: keep publishes the given towers unchanged; skip
                 does so too and exits with 99, so that Airflow skips the tasks that follow
    seed         of the batches
    """

    pairs: Partition
    queries: Partition
    items: Partition
    start: Partition
    towers: Partition
    embeddings: Partition = NOWHERE
    epochs: PositiveInt = 2
    batch_size: PositiveInt = 256
    depth: PositiveInt = 200
    lr: PositiveFloat = 1e-5
    trigram_lr: PositiveFloat = 1e-4
    temperature: PositiveFloat = 0.05
    on_worse: Annotated[str, OneOf("keep", "skip")] = "keep"
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.towers.values["step"] != "adore":
            raise ValueError(f"{self.towers}: a refresh makes step=adore")

    def plan(self) -> Refresh:
        """How to train."""
        return Refresh(self.batch_size, self.depth, self.temperature, self.lr, self.trigram_lr, self.epochs, self.seed)


def main(args: Args) -> dict[str, object]:
    """Refresh, judge by dev queries, publish."""
    inputs = [pin(one) for one in (args.pairs, args.queries, args.items, args.start)]
    shards = pin_shards(args.embeddings) if args.embeddings else []
    inputs += shards
    with mlflow_run("refresh", args, inputs) as tracked, publish(args.towers, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        learning = read_learning(*inputs[:3])
        start = load_towers(inputs[3]).to("cuda" if torch.cuda.is_available() else "cpu")
        scratch = Scratch(args.towers, args, inputs)
        if shards:
            vectors = embedded_vectors(scratch, shards, learning.item_ids, start)
        else:
            vectors = catalogue_vectors(scratch, start, inputs[2], CHUNK)
        refresher = Refresher(learning, start, vectors, args.plan(), tracked)
        facts = refresher.run()
        _write(out, refresher.best, learning, facts)
    scratch.remove()
    if not facts["kept"] and args.on_worse == "skip":
        log.info("%s: dev recall did not surely rise; nothing follows", args.towers)
        raise SystemExit(NOTHING_TO_DO)
    registered = "" if trial() or not facts["kept"] else register_towers(pin(args.towers))
    return {"towers": str(args.towers), "space_id": out.facts["space_id"], "registered": registered, **facts}


class Refresher:
    """Epochs of a refresh, and which of them is best; before the first that is the towers given."""

    def __init__(
        self, learning: Learning, start: TwoTower, vectors: VectorFile, plan: Refresh, tracked: MlflowRun
    ) -> None:
        self.learning, self.vectors, self.plan, self.tracked = learning, vectors, plan, tracked
        self.best = start
        self.towers = own_query_tower(start).to(start.device)
        self.store = start.store_queries(learning.queries)
        self.known = learning.known
        self.dev = np.unique(learning.pair_query[learning.of_split("dev")])
        self.device = start.device.type

    def run(self) -> dict[str, object]:
        """Train; returns dev measures before and after."""
        train = self.learning.of_split("train")
        pairs = Pairs(self.learning.pair_query[train], self.learning.pair_item[train])

        def search(asked: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            return nearest(asked, pieces(self.vectors), self.plan.depth, self.device)

        frozen = Frozen(search, self.vectors.take)
        refreshing = Refreshing(self.towers, self.store, pairs, self.known, frozen, self.plan)
        before = best = self._judge(self.best)
        self._track(before, 0)
        kept = 0
        with progress("refresh", self.plan.epochs * refreshing.steps, "steps") as advance:
            for epoch in range(self.plan.epochs):
                losses = []
                for loss in refreshing.epoch(epoch):
                    losses.append(loss)
                    advance(1, f"loss {loss:.4f}")
                now = self._judge(self.towers)
                self._track(now, epoch + 1, float(np.mean(losses)))
                if surely_better(now[0], best[0]):
                    best, kept = now, epoch + 1
                    self.best = own_query_tower(self.towers)
        names = (f"R@{CUTOFF}", f"RR@{CUTOFF}")
        told = {f"{name} before": float(one.mean()) for name, one in zip(names, before, strict=True)}
        told |= {name: float(one.mean()) for name, one in zip(names, best, strict=True)}
        return {"kept": bool(kept), "best_epoch": kept, **told}

    def _judge(self, towers: TwoTower) -> tuple[Values, Values]:
        """R@60 and RR@60 of the dev queries against the vectors that stand."""
        if not len(self.dev):
            raise ValueError("pairs: none is of split dev; a refresh is kept only where dev recall rises")
        asked = encode_store(towers.forward_queries, self.store.take(self.dev), TOKEN_BUDGET, towers)
        _, found = nearest(asked, pieces(self.vectors), CUTOFF, self.device)
        return recall_and_rr(found, self.dev, self.known)

    def _track(self, found: tuple[Values, Values], epoch: int, loss: float = 0.0) -> None:
        recall, rr = (float(one.mean()) for one in found)
        log.info("epoch %d: loss %.4f, dev R@60 %.4f, RR@60 %.4f", epoch, loss, recall, rr)
        figures = {f"R@{CUTOFF}": recall, f"RR@{CUTOFF}": rr} | ({"loss": loss} if epoch else {})
        self.tracked.measures(figures, epoch)


def _write(out: Attempt, towers: TwoTower, learning: Learning, facts: dict[str, object]) -> None:
    texts = learning.item_texts[:GOLDEN]
    write_towers(towers, out.folder, crops(texts, np.random.default_rng(0)), texts)
    taught = len(learning.of_split("train"))
    others = len(learning.pair_query) - taught
    left_out = {"dev and test": others, "query or item unknown": learning.lost}
    out.count("pairs", taught + others + learning.lost, taught, left_out)
    out.facts.update(
        **facts, space_id=space_id(towers), items_of=towers.config.items_of, dim=towers.config.width, pairs=taught
    )
