"""Training examples: stores of queries and items, pairs, known positives and mined negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.text.ragged import Ragged
from models.text.text_store import TextStore, concatenate_stores
from models.training.batch_columns import Mixture, mix
from models.training.batches import Known, Pairs, Rows, batches_of, epoch_order
from models.training.crops import crops
from models.training.distributed import Team

Texts = Callable[[Rows], Sequence[str]]


@dataclass(frozen=True)
class Sampling:
    """What a batch holds: batch_size B pairs, over all processes; crops_frac made-up queries per real
    pair; trigram_dropout, the share of features left out; hard, the H hard negatives per query; uniform,
    negatives per query drawn from the whole catalogue."""

    batch_size: int
    seed: int = 0
    crops_frac: float = 0.5
    trigram_dropout: float = 0.0
    hard: int = 0
    uniform: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Texts of this process's share of the queries, and of its share of the mixture's items."""

    queries: TextStore
    items: TextStore
    mixture: Mixture

    def __len__(self) -> int:
        """B, over all processes."""
        return len(self.mixture.positive)


@dataclass(frozen=True)
class Examples:
    """queries, items: stores. pairs: of split train. known: of every split. negatives: mined item
    rows of each query row, empty where none. item_texts: texts of item rows, for made-up queries;
    read_queries: how those become a store."""

    queries: TextStore
    items: TextStore
    pairs: Pairs
    known: Known
    item_texts: Texts
    read_queries: Callable[[Sequence[str]], TextStore]
    negatives: Ragged | None = None
    team: Team = field(default_factory=Team)

    def steps_per_epoch(self, plan: Sampling) -> int:
        """Full batches of an epoch, at least one."""
        return max(1, (len(self.pairs) + self._crops(plan.crops_frac)) // plan.batch_size)

    def batches(self, plan: Sampling, epoch: int, skip: int = 0) -> Iterator[tuple[int, Batch]]:
        """(number, batch) of one epoch, without the first `skip`."""
        queries, pairs = self._with_crops(plan, epoch)
        frequency = self._frequency(self._crops(plan.crops_frac))
        order = epoch_order(pairs, plan.seed, epoch)
        for number, rows in enumerate(batches_of(order, plan.batch_size)):
            if number < skip:
                continue
            rng = np.random.default_rng([plan.seed, epoch, number])
            query, item = pairs.query[rows], pairs.item[rows]
            uniform = rng.integers(0, len(self.items), round(plan.uniform * len(query)))
            hard = self._hard(query, plan.hard, rng)
            mixture = mix(query, item, uniform, hard, self.known, frequency)
            # each process leaves out other features of its own texts
            thinner = np.random.default_rng([plan.seed, epoch, number, 1 + self.team.rank])
            mine = query[self.team.share(len(query))]
            shared = mixture.item[self.team.share(len(mixture.item))]
            yield (
                number,
                Batch(
                    queries.take(mine).thin(plan.trigram_dropout, thinner),
                    self.items.take(shared).thin(plan.trigram_dropout, thinner),
                    mixture,
                ),
            )

    def _hard(self, query: Rows, count: int, rng: np.random.Generator) -> Rows:
        """[B, H] item rows: a fresh draw from each query's mined list, random items without one."""
        if not count:
            return np.zeros((len(query), 0), np.int64)
        assert self.negatives is not None
        listed = np.zeros(int(query.max()) + 1, np.int64)
        lengths = self.negatives.lengths[: len(listed)]
        listed[: len(lengths)] = lengths
        have = listed[query][:, None]
        place = (rng.random((len(query), count)) * have).astype(np.int64)
        start = self.negatives.offsets[query.clip(max=len(self.negatives) - 1)][:, None]
        drawn = np.take(self.negatives.values, start + place, mode="clip").astype(np.int64)
        others = rng.integers(0, len(self.items), drawn.shape)
        rows: Rows = np.where(have > 0, drawn, others)
        return rows

    def _crops(self, frac: float) -> int:
        return min(round(frac * len(self.pairs)), len(self.items))

    @cached_property
    def _drawn(self) -> NDArray[np.float64]:
        """Expected draws of each item as a pair's, in an epoch without made-up queries."""
        drawn = np.bincount(self.pairs.item, self.pairs.weight, len(self.items)).astype(np.float64)
        drawn *= len(self.pairs) / drawn.sum()
        return drawn

    def _frequency(self, made_up: int) -> NDArray[np.float32]:
        """[N]: how much oftener than at random an item is drawn as a pair's; made-up ones are uniform."""
        count = len(self.items)
        drawn = self._drawn + made_up / count
        floor = 1.0 / (len(self.pairs) + made_up)  # an item that is never drawn is in no batch either
        return (drawn.clip(min=floor) * (count / (len(self.pairs) + made_up))).astype(np.float32)

    def _with_crops(self, plan: Sampling, epoch: int) -> tuple[TextStore, Pairs]:
        """The queries, and after them this epoch's made-up ones, each paired with its item."""
        count = self._crops(plan.crops_frac)
        if not count:
            return self.queries, self.pairs
        rng = np.random.default_rng([plan.seed, epoch, 0, 1])
        rows = np.sort(rng.choice(len(self.items), count, replace=False))
        made_up = self.read_queries(crops(self.item_texts(rows), rng))
        query = np.concatenate([self.pairs.query, len(self.queries) + np.arange(count)])
        item = np.concatenate([self.pairs.item, rows])
        weight = self.pairs.weight
        if weight is not None:
            usual = np.full(count, weight.mean(), np.float32)
            weight = np.concatenate([weight, usual])
        return concatenate_stores([self.queries, made_up]), Pairs(query, item, weight)
