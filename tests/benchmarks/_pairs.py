"""The same made-up pairs for both sides: titles of words and numbers, queries of a few of their words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from jobs.towers.bert_checkpoint import minilm_folder, pretrained_towers
from models.towers.config import PRESETS
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs
from models.training.examples import Examples, Sampling
from models.training.losses import Objective
from models.training.tower_training import TowerPlan, TowerTraining

LETTERS = np.array(list("abcdefghijklmnoprstuwyz0123456789"))
TEMPERATURE, TOKENS = 0.05, 64


@dataclass(frozen=True)
class Texts:
    """queries[i] is made of titles[i]."""

    queries: list[str]
    titles: list[str]


@cache
def texts(n: int, seed: int = 0) -> Texts:
    """N titles of 5 to 14 words from a vocabulary of 5,000, and a query of 1 to 4 words for each."""
    rng = np.random.default_rng(seed)
    words = np.array(["".join(rng.choice(LETTERS, rng.integers(2, 10))) for _ in range(5_000)])
    titles = [" ".join(rng.choice(words, count)) for count in rng.integers(5, 15, n)]
    queries = []
    for title in titles:
        parts = title.split()
        kept = np.sort(rng.choice(min(8, len(parts)), rng.integers(1, 5), replace=False))
        queries.append(" ".join(parts[k] for k in kept))
    return Texts(queries, titles)


def bert_towers(encoders: str = "bert") -> TwoTower:
    """MiniLM without dropout: alone, as the peer has it, or beside trigrams."""
    torch.manual_seed(0)
    config = replace(PRESETS["minilm"], encoders=encoders, max_tokens=TOKENS)
    towers = pretrained_towers("minilm", config)
    for part in towers.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return towers


def training(towers: TwoTower, batch: int, steps: int, chunk: int, precision: str, seed: int = 0) -> TowerTraining:
    """Ours: in-batch softmax over the pairs in the order of an epoch, AdamW at 2e-5."""
    given = texts(batch * steps, seed)
    rows = np.arange(batch * steps)
    examples = Examples(
        queries=towers.store(given.queries),
        items=towers.store(given.titles),
        pairs=Pairs(rows, rows),
        known=Known(rows, rows, len(rows)),
        item_texts=lambda some: [given.titles[row] for row in some],
        read_queries=towers.store_queries,
    )
    return TowerTraining(
        towers,
        examples,
        TowerPlan(
            sampling=Sampling(batch, synthetic_frac=0.0),
            epochs=1,
            lr=2e-5,
            trigram_lr=2e-5,
            objective=Objective(temperature=TEMPERATURE),
            chunk=chunk,
            precision=precision,
            warmup_frac=0.0,
        ),
    )


__all__ = ["bert_towers", "minilm_folder", "texts", "training"]
