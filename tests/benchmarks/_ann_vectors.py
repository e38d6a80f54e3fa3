"""Vectors to index and queries to ask, as two towers make them of a made-up shop; kept under var/bench.

Queries lie off the items' own distribution: each side is encoded by its own rules, and a query is a few words of what
a title says. An index judged on items as queries would look better than it is.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.ann.exact import nearest, pieces
from models.simulator.marketplace import chunks, demand, offers
from models.simulator.marketplace.relevance import RELEVANT
from models.text.normalise import normalise_query, query_id, split_of
from models.text.tokens import train_tokenizer
from models.towers.config import TowerConfig
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs
from models.training.examples import Examples, Sampling
from models.training.fit import fit
from models.training.tower_training import TowerPlan, TowerTraining
from tests.models.text.item_text import item_text

log = logging.getLogger(__name__)
DAY, SEED, DEPTH = date(2026, 1, 31).toordinal(), 7, 100
# a query's judged items are up to 60: with all of them a few broad queries would be the training
PAIRS_PER_QUERY, BATCH, EPOCHS, LR = 6, 512, 3, 5e-3
# raised when what is made changes, so that no old file is taken for it
VERSION = 1


@dataclass(frozen=True)
class Shop:
    """texts [N] of items; queries as typed, each in its split; pairs [P, 2] of query and item rows."""

    texts: list[str]
    queries: list[str]
    splits: NDArray[np.str_]
    pairs: NDArray[np.int64]


def vectors_folder(items: int, dim: int, queries: int) -> Path:
    """The folder of items.npy [N, D], queries.npy and tune.npy (splits test and dev), exact.npy [Q, 100].

    Made where it is not there yet: towers of trigrams are trained for a minute or two.
    """
    home = Path(os.environ.get("NIGHTSHELF_HOME", "var")) / "bench"
    folder = home / f"ann-v{VERSION}-{items}x{dim}-{queries}"
    if not folder.exists():
        log.info("%s: making a shop and its towers, some minutes", folder)
        home.mkdir(parents=True, exist_ok=True)
        # renamed last: a bench that was stopped leaves no half of it
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            _write(made, items, dim, queries)
            made.rename(folder)
    return folder


def _write(folder: Path, items: int, dim: int, queries: int) -> None:
    shop = _shop(items, queries)
    towers = _trained(shop, dim)
    found = encode_items(towers, shop.texts)
    np.save(folder / "items.npy", found)
    for name, split in (("queries", "test"), ("tune", "dev")):
        asked = [shop.queries[row] for row in np.flatnonzero(shop.splits == split)]
        np.save(folder / f"{name}.npy", encode_queries(towers, asked))
    exact = nearest(np.load(folder / "queries.npy"), pieces(found), DEPTH)[1]
    np.save(folder / "exact.npy", exact)
    place = np.cumsum(shop.splits == "test") - 1
    query, item = shop.pairs[shop.splits[shop.pairs[:, 0]] == "test"].T
    hit = (exact[place[query]] == item[:, None]).any(axis=1)
    log.info("held-out queries find %.3f of their items in %d", hit.mean(), DEPTH)


def _shop(items: int, queries: int) -> Shop:
    texts, rows = [], {}
    for slots in chunks(items):
        made = offers(SEED, slots, DAY)
        attributes = _attributes(made.offsets, made.keys, made.values)
        for item, *said in zip(made.item_ids, made.titles, made.categories, made.brands, attributes, strict=True):
            rows[int(item)] = len(texts)
            texts.append(item_text(said[0], said[1], said[2] or "", said[3]))
    wanted = demand(SEED, items, DAY, queries, 60, 0, 0)
    judged = wanted.judgements
    right = np.flatnonzero(judged.grades >= RELEVANT)
    right = np.random.default_rng(SEED).permutation(right)
    right = right[np.argsort(judged.queries[right], kind="stable")]
    place = np.arange(len(right)) - np.searchsorted(judged.queries[right], judged.queries[right])
    right = right[place < PAIRS_PER_QUERY]
    item = np.array([rows[found] for found in judged.items[right].tolist()], np.int64)
    asked = [normalise_query(text) for text in wanted.texts]
    splits = np.array([split_of(query_id(text)) for text in asked])
    return Shop(texts, asked, splits, np.stack([judged.queries[right], item], axis=1))


def _attributes(
    offsets: NDArray[np.int64], keys: NDArray[np.object_], values: NDArray[np.object_]
) -> list[dict[str, str]]:
    return [dict(zip(keys[start:stop], values[start:stop], strict=True)) for start, stop in pairwise(offsets)]


def _trained(shop: Shop, dim: int) -> TwoTower:
    """Towers of trigrams, as preset `tiny` has them, after a few passes over the pairs of split train."""
    torch.manual_seed(SEED)
    towers = TwoTower(TowerConfig(dim=dim, trigram_buckets=1 << 15), train_tokenizer(shop.texts[:5_000], 500))
    taught = shop.pairs[shop.splits[shop.pairs[:, 0]] == "train"]
    examples = Examples(
        queries=towers.store_queries(shop.queries),
        items=towers.store(shop.texts),
        pairs=Pairs(taught[:, 0], taught[:, 1]),
        known=Known(shop.pairs[:, 0], shop.pairs[:, 1], len(shop.queries)),
        item_texts=lambda some: [shop.texts[row] for row in some],
        read_queries=towers.store_queries,
    )
    plan = TowerPlan(Sampling(BATCH, SEED), EPOCHS, lr=LR, trigram_lr=LR)
    for step in fit(TowerTraining(towers, examples, plan)):
        if step.ends_epoch:
            log.info("epoch %d: loss %.3f after %d steps", step.epoch, step.loss, step.number)
    return towers.eval()
