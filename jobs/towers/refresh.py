"""Towers -> a retrained query tower; the index stays (ADORE).

python -m jobs refresh --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --start towers/ds=2026-01-31/step=star --towers towers/ds=2026-01-31/step=adore

The items do not move: the command `index` takes the embeddings of `start`. Where dev recall does not rise by more than
its standard error, the towers that were given are published again unchanged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.read_shards import pin_shards
from jobs.lake.partitions import NOWHERE, Partition, trial
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf, PositiveFloat, PositiveInt, Temperature
from jobs.platform.registry import register_towers
from jobs.platform.tracking import mlflow_run
from jobs.towers.catalogue_vectors import catalogue_vectors
from jobs.towers.dataset import TowerDataset, read_dataset, write_trained
from jobs.towers.dev_evaluation import NAMES, DevEvaluator
from jobs.towers.resume import Scratch, VectorFile
from jobs.towers.training_loop import Checkpoint, TrainingLoop
from models.ann.exact import Vectors, nearest, pieces
from models.text.text_store import TextStore
from models.towers.two_tower import TwoTower
from models.training.adore import AdorePlan, AdoreTraining, FrozenItems, own_query_tower
from models.training.batches import Pairs

log = logging.getLogger(__name__)
CHECKPOINT_S = 120.0
NOTHING_TO_DO = 99  # Airflow skips the tasks that follow


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
    qrels        judgements: people's labels of 50 or more dev queries choose the epoch, instead of clicks
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
    temperature: Temperature = 0.05
    on_worse: Annotated[str, OneOf("keep", "skip")] = "keep"
    seed: NonNegativeInt = 0
    qrels: Partition = NOWHERE

    def __post_init__(self) -> None:
        if self.towers.values["step"] != "adore":
            raise ValueError(f"{self.towers}: a refresh makes step=adore")

    def plan(self) -> AdorePlan:
        """Settings of the training."""
        return AdorePlan(
            self.batch_size, self.depth, self.temperature, self.lr, self.trigram_lr, self.epochs, self.seed
        )


def main(args: Args) -> dict[str, object]:
    """Refresh, evaluate on dev queries, publish."""
    names = ("pairs", "queries", "items", "start", *(["qrels"] if args.qrels else []))
    inputs = {name: pin(getattr(args, name)) for name in names}
    shards = pin_shards(args.embeddings) if args.embeddings else []
    pinned = [*inputs.values(), *shards]
    with mlflow_run("refresh", args, pinned) as tracked, publish(args.towers, args, pinned) as out:
        out.mlflow_run_id = tracked.id
        dataset = read_dataset(inputs["pairs"], inputs["queries"], inputs["items"])
        start = load_towers(inputs["start"]).to("cuda" if torch.cuda.is_available() else "cpu")
        scratch = Scratch(args.towers, args, pinned)
        vectors = catalogue_vectors(scratch, start, dataset, shards)
        queries = start.store_queries(dataset.queries)
        training = _training(args, dataset, start, queries, vectors)
        evaluator = FrozenItemsEvaluator(dataset, queries, vectors, inputs.get("qrels"))
        evaluate = partial(evaluator, training.towers)
        checkpoint = Checkpoint(args.towers, scratch.key)
        loop = TrainingLoop("refresh", training, evaluate, checkpoint, tracked, args.epochs, CHECKPOINT_S)
        loop.run(keep_start=True)
        facts = _facts(loop) | evaluator.facts
        towers = training.towers if facts["kept"] else start
        write_trained(out, towers, dataset)
        out.facts.update(facts, items_of=towers.config.items_of)
    checkpoint.remove()
    scratch.remove()
    if not facts["kept"] and args.on_worse == "skip":
        log.info("%s: dev recall rose by no more than its standard error; nothing follows", args.towers)
        raise SystemExit(NOTHING_TO_DO)
    registered = "" if trial() or not facts["kept"] else register_towers(pin(args.towers))
    return {"towers": str(args.towers), "space_id": out.facts["space_id"], "registered": registered, **facts}


def _training(
    args: Args, dataset: TowerDataset, start: TwoTower, queries: TextStore, vectors: VectorFile
) -> AdoreTraining:
    rows = dataset.of_split("train")
    pairs = Pairs(dataset.pair_query[rows], dataset.pair_item[rows])

    def search(query_vectors: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
        return nearest(query_vectors, pieces(vectors), args.depth, start.device.type)

    towers = own_query_tower(start).to(start.device)
    return AdoreTraining(towers, queries, pairs, dataset.known, FrozenItems(search, vectors.take), args.plan())


class FrozenItemsEvaluator(DevEvaluator):
    """Evaluation against the item vectors that stay in service, all of them."""

    def __init__(
        self, dataset: TowerDataset, queries: TextStore, vectors: VectorFile, qrels: Pinned | None = None
    ) -> None:
        super().__init__(dataset, queries, None, qrels)
        if not len(self.queries):
            raise ValueError("pairs: none is of split dev; a refresh is kept only where dev recall rises")
        self.vectors, self.items = vectors, np.arange(len(dataset.item_ids))

    def item_vectors(self, towers: TwoTower) -> Iterable[Vectors]:
        """Vectors of all items, as published."""
        return pieces(self.vectors)


def _facts(loop: TrainingLoop) -> dict[str, object]:
    """Whether an epoch is kept and which, and the dev measures before and after."""
    epoch = int(loop.best["best_epoch"])
    before = {f"{name} before": loop.start[name] for name in NAMES}
    return {"kept": epoch > 0, "best_epoch": epoch, **before, **{name: loop.best[name] for name in NAMES}}
