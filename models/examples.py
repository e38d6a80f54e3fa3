"""Training examples: stores of queries and items, pairs, known positives and mined negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.batches import Known, Pairs, Rows, batches_of, epoch_order
from models.crops import crops
from models.ragged import Ragged
from models.texts import TextStore, concatenate_stores


@dataclass(frozen=True)
class Sampling:
    """What a batch holds: batch_size B; crops_frac made-up queries per real pair; trigram_dropout,
    the share of features left out; hard, the H hard negatives per query."""

    batch_size: int
    seed: int = 0
    crops_frac: float = 0.5
    trigram_dropout: float = 0.0
    hard: int = 0


@dataclass(frozen=True)
class Batch:
    """B queries and their items, B*H hard negatives query by query, known positives [B, B + B*H]."""

    queries: TextStore
    items: TextStore
    hard: TextStore | None
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """queries, items: stores. pairs: of split train. known: of every split. negatives: mined item
    rows of each query row, empty where none. item_texts: for made-up queries; read_queries: how
    those become a store."""

    queries: TextStore
    items: TextStore
    pairs: Pairs
    known: Known
    item_texts: Sequence[str]
    read_queries: Callable[[Sequence[str]], TextStore]
    negatives: Ragged | None = None

    def steps_per_epoch(self, plan: Sampling) -> int:
        """Full batches of an epoch, at least one."""
        return max(1, (len(self.pairs) + self._crops(plan.crops_frac)) // plan.batch_size)

    def batches(self, plan: Sampling, epoch: int, skip: int = 0) -> Iterator[tuple[int, Batch]]:
        """(number, batch) of one epoch, without the first `skip`."""
        queries, pairs = self._with_crops(plan, epoch)
        order = epoch_order(pairs, plan.seed, epoch)
        for number, rows in enumerate(batches_of(order, plan.batch_size)):
            if number >= skip:
                rng = np.random.default_rng([plan.seed, epoch, number])
                yield number, self._batch(plan, queries, pairs.query[rows], pairs.item[rows], rng)

    def _batch(
        self, plan: Sampling, queries: TextStore, query: Rows, item: Rows, rng: np.random.Generator
    ) -> Batch:
        hard = self._hard(query, plan.hard, rng) if plan.hard else np.zeros(0, np.int64)
        known = self.known.mask(query, np.concatenate([item, hard]))
        known[:, : len(item)] |= item[:, None] == item[None, :]
        thin = plan.trigram_dropout
        return Batch(
            queries.take(query).thin(thin, rng),
            self.items.take(item).thin(thin, rng),
            self.items.take(hard).thin(thin, rng) if plan.hard else None,
            known,
        )

    def _hard(self, query: Rows, count: int, rng: np.random.Generator) -> Rows:
        """[B * H] item rows: a fresh draw from each query's mined list, random items without one."""
        assert self.negatives is not None
        listed = np.zeros(int(query.max()) + 1, np.int64)
        lengths = self.negatives.lengths[: len(listed)]
        listed[: len(lengths)] = lengths
        have = listed[query][:, None]
        place = (rng.random((len(query), count)) * have).astype(np.int64)
        start = self.negatives.offsets[query.clip(max=len(self.negatives) - 1)][:, None]
        drawn = np.take(self.negatives.values, start + place, mode="clip").astype(np.int64)
        others = rng.integers(0, len(self.items), drawn.shape)
        rows: Rows = np.where(have > 0, drawn, others).reshape(-1)
        return rows

    def _crops(self, frac: float) -> int:
        return min(round(frac * len(self.pairs)), len(self.items))

    def _with_crops(self, plan: Sampling, epoch: int) -> tuple[TextStore, Pairs]:
        """The queries, and after them this epoch's made-up ones, each paired with its item."""
        count = self._crops(plan.crops_frac)
        if not count:
            return self.queries, self.pairs
        rng = np.random.default_rng([plan.seed, epoch, 0, 1])
        rows = rng.choice(len(self.items), count, replace=False)
        made_up = self.read_queries(crops([self.item_texts[row] for row in rows], rng))
        query = np.concatenate([self.pairs.query, len(self.queries) + np.arange(count)])
        item = np.concatenate([self.pairs.item, rows])
        weight = self.pairs.weight
        if weight is not None:
            usual = np.full(count, weight.mean(), np.float32)
            weight = np.concatenate([weight, usual])
        return concatenate_stores([self.queries, made_up]), Pairs(query, item, weight)
