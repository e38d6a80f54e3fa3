"""A shop in memory, small enough to train towers on in a second."""

from __future__ import annotations

import numpy as np
import torch

from models.text.ragged import Ragged
from models.text.tokens import train_tokenizer
from models.towers.config import TowerConfig
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs
from models.training.distributed import ProcessGroup
from models.training.examples import Examples, Sampling
from models.training.tower_training import TowerPlan

NOUNS = ["buty", "lampa", "wiertarka", "żarówka", "kurtka", "rower", "plecak", "stół"]
COLOURS = ["czerwony", "biały", "zielony", "czarny"]
ITEMS = [f"{noun} {colour} model {i}{j}" for i, noun in enumerate(NOUNS) for j, colour in enumerate(COLOURS)]
QUERIES = [*NOUNS, *(f"{colour} {noun}" for noun in NOUNS for colour in COLOURS[:2])]
BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def positives() -> np.ndarray:
    """[P, 2]: the items that have every word of the query."""
    return np.array(
        [
            (q, i)
            for q, query in enumerate(QUERIES)
            for i, item in enumerate(ITEMS)
            if set(query.split()) <= set(item.split())
        ]
    )


def towers(bert: bool | dict[str, object] = True, seed: int = 0, **settings: object) -> TwoTower:
    torch.manual_seed(seed)
    config = TowerConfig(
        **{
            "dim": 16,
            "trigram_buckets": 1 << 10,
            "max_tokens": 16,
            "bert": BERT if bert is True else bert or {},
            **settings,
        }
    )  # type: ignore[arg-type]
    return TwoTower(config, train_tokenizer(ITEMS + QUERIES, 200))


def examples(of: TwoTower, negatives: Ragged | None = None, group: ProcessGroup | None = None) -> Examples:
    pairs = positives()
    return Examples(
        queries=of.store_queries(QUERIES),
        items=of.store(ITEMS),
        pairs=Pairs(pairs[:, 0], pairs[:, 1]),
        known=Known(pairs[:, 0], pairs[:, 1], len(QUERIES)),
        item_texts=lambda rows: [ITEMS[row] for row in rows],
        read_queries=of.store_queries,
        negatives=negatives,
        group=group or ProcessGroup(),
    )


def plan(**settings: object) -> TowerPlan:
    sampling = Sampling(**{"batch_size": 12, "synthetic_frac": 0.5} | settings.pop("sampling", {}))  # type: ignore
    return TowerPlan(**{"sampling": sampling, "epochs": 4, "lr": 1e-3, "trigram_lr": 1e-2, **settings})  # type: ignore
