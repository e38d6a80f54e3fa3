"""What a training leaves: the towers' files, their facts, and the account of the pairs."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from jobs.bundle.tower_files import write_towers
from jobs.lake.attempt import Attempt
from jobs.towers.dataset import Learning, bytes_per_pair
from jobs.towers.dev_evaluation import Judge
from jobs.towers.trainer import Trainer
from models.towers.latency import query_latency
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.crops import crops
from models.training.fit import Training

GOLDEN = 16  # texts of each side
LATENCY_QUERIES = 200


def shortened(towers: TwoTower, cut: int) -> TwoTower:
    """The towers, or those of shorter vectors that Matryoshka training made to stand alone."""
    if not cut:
        return towers
    config, tokenizer_json, tensors = towers.state()
    return TwoTower.from_state({**config, "cut": cut}, tokenizer_json, tensors)


def costs(training: Training, judge: Judge, learning: Learning) -> dict[str, float]:
    """Milliseconds a query takes on one core, bytes a pair takes, dev R@60 of each prefix."""
    towers = training.towers
    facts: dict[str, float] = {}
    asked = [learning.queries[row] for row in judge.queries[:LATENCY_QUERIES]]
    if asked:
        facts |= query_latency(towers, asked)
    for dim in training.plan.matryoshka:
        recall, rr = judge(towers, dim)
        if len(recall):
            facts |= {f"R@60 of {dim}": float(recall.mean()), f"RR@60 of {dim}": float(rr.mean())}
    return facts | bytes_per_pair(learning, training.examples)


def write(out: Attempt, towers: TwoTower, trainer: Trainer, learning: Learning) -> None:
    """Write the towers and their curves; count the pairs."""
    texts = learning.item_texts[:GOLDEN]
    write_towers(towers, out.folder, crops(texts, np.random.default_rng(0)), texts)
    pq.write_table(trainer.curves(), out.folder / "curves.parquet", write_page_checksum=True)
    taught = len(trainer.training.examples.pairs)
    others = len(learning.pair_query) - taught
    left_out = {"dev and test": others, "query or item unknown": learning.lost}
    out.count("pairs", taught + others + learning.lost, taught, left_out)
    out.facts.update(space_id=space_id(towers), dim=towers.config.width, **trainer.best)
    out.facts.update(items=len(learning.item_ids), queries=len(learning.queries), pairs=taught)
