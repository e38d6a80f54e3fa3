"""Training examples: pairs, made-up queries and negatives, batch by batch, each batch's items once with their counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.text.normalise import SLOT_MARK
from models.text.ragged import Ragged
from models.text.text_store import TextStore, concatenate_stores
from models.text.trigrams import fold
from models.training.batches import Known, Pairs, Rows, batches_of, epoch_order
from models.training.distributed import ProcessGroup
from models.training.losses import Objective, WeightedColumns

_MAX_WORDS, _OUT_OF = 4, 12  # people type one to four words; the first dozen words of a title matter
ReadTexts = Callable[[Rows], Sequence[str]]
LIST_KINDS = ("judged", "unclicked")  # lists of negatives beside the mined ones


@dataclass(frozen=True)
class Sampling:
    """Content of a batch: batch_size B pairs, over all processes; synthetic_frac made-up queries per real
    pair; trigram_dropout, the share of features left out; hard, the H hard negatives per query; uniform,
    negatives per query drawn from the whole catalogue; judged and unclicked, negatives per query drawn from
    its list of that kind, none where it has no list."""

    batch_size: int
    seed: int = 0
    synthetic_frac: float = 0.5
    trigram_dropout: float = 0.0
    hard: int = 0
    uniform: float = 0.0
    judged: int = 0
    unclicked: int = 0


class ListedNegatives(NamedTuple):
    """Negatives from lists of one kind. rows [B, H]: items, later columns; present [B, H]: False without a list."""

    kind: str
    rows: Rows
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class BatchColumns:
    """Items of a batch, each once, and how often each was drawn.

    item [C]: rows of the catalogue, ascending. positive [B]: each pair's column.
    in_batch, uniform, mined [C]: how often a column was drawn as a pair's item, at random from the
    catalogue, and as somebody's hard negative; hard [B, H]: the columns of those. frequency [C]: how much
    oftener than at random an item is drawn as a pair's. known: (row, column) of the known positives, by
    row, the pairs' own among them. listed: columns from lists of further kinds.
    """

    item: Rows
    positive: Rows
    in_batch: Rows
    uniform: Rows
    mined: Rows
    hard: Rows
    frequency: NDArray[np.float32]
    known: tuple[Rows, Rows]
    listed: tuple[ListedNegatives, ...] = ()

    def weigh(self, objective: Objective, progress: float) -> WeightedColumns:
        """Weights of the columns under an objective; progress: the share of all steps that is done."""
        size, per_query = self.hard.shape
        frequency = self.frequency if objective.logq else np.ones_like(self.frequency)
        easy = objective.in_batch * self.in_batch / frequency + objective.uniform * self.uniform
        seen = size * per_query if objective.share_hard else per_query
        weight = objective.hard_weight(float(easy.sum()), seen, progress)
        # only softmax has the pair's own item among its terms
        corrected = objective.logq and objective.kind == "softmax"
        offset = -np.log(frequency[self.positive]) if corrected else np.zeros(size)
        own, own_weight = self.hard[:, :0], np.zeros((size, 0), np.float32)
        hard = weight * objective.share_hard * self.mined
        if objective.share_hard:
            for kind, rows, present in self.listed:
                hard = hard + objective.list_weight(kind) * np.bincount(rows[present], minlength=len(self.item))
        else:
            own, own_weight = self._own(objective, weight)
        return WeightedColumns(
            positive=self.positive,
            easy=easy.astype(np.float32),
            hard=hard.astype(np.float32),
            offset=offset.astype(np.float32),
            known=self.known,
            own=own,
            own_weight=own_weight,
        )

    def listed_negatives(self) -> tuple[Rows, NDArray[np.bool_]]:
        """Columns [B, H] of each query's negatives from all lists, and where there is one that is no known positive."""
        parts = [
            (self.hard, np.ones(self.hard.shape, np.bool_)),
            *((rows, present) for _, rows, present in self.listed),
        ]
        own, present = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
        return own, present & ~Known(*self.known, len(own)).contains(np.arange(len(own))[:, None], own)

    def _own(self, objective: Objective, weight: float) -> tuple[Rows, NDArray[np.float32]]:
        """Columns [B, H] of each query's own listed negatives, and their weights. weight: of a mined one."""
        own, present = self.listed_negatives()
        of_kind = [objective.list_weight(kind) for kind, rows, _ in self.listed for _ in range(rows.shape[1])]
        weights = np.array([weight] * self.hard.shape[1] + of_kind)
        return own, (present * weights).astype(np.float32)


def batch_columns(
    query: Rows,
    item: Rows,
    uniform: Rows,
    hard: Rows,
    known: Known,
    frequency: NDArray[np.float32],
    listed: Sequence[ListedNegatives] = (),
) -> BatchColumns:
    """Join pairs (query, item) [B], uniform negatives [U], hard ones [B, H] and those of further lists by item.

    frequency [N] is of every item of the catalogue.
    """
    # a query without a list has its own item in the place, which is no negative of its own
    more = [np.where(present, rows, item[:, None]) for _, rows, present in listed]
    drawn = np.concatenate([item, uniform, hard.ravel(), *(rows.ravel() for rows in more)])
    columns, place = np.unique(drawn, return_inverse=True)
    lengths = [len(item), len(uniform), hard.size, *(rows.size for rows in more)]
    sides = np.split(place, np.cumsum(lengths)[:-1])
    in_batch, at_random, mined = (np.bincount(side, minlength=len(columns)) for side in sides[:3])
    rows, hits = known.hits(query, columns)
    # made-up queries are not in the log, but the items they were made of are right
    codes = np.concatenate([rows, np.arange(len(query))]) * len(columns)
    codes = np.unique(codes + np.concatenate([hits, sides[0]]))
    return BatchColumns(
        columns,
        sides[0],
        in_batch,
        at_random,
        mined,
        sides[2].reshape(hard.shape),
        frequency[columns],
        (codes // len(columns), codes % len(columns)),
        tuple(
            ListedNegatives(kind, side.reshape(present.shape), present)
            for (kind, _, present), side in zip(listed, sides[3:], strict=True)
        ),
    )


@dataclass(frozen=True)
class Batch:
    """Texts of this process's slice of the queries and of the columns' items; columns of the whole batch.

    query [B]: rows of the whole batch's queries; made-up ones have numbers beyond the last."""

    queries: TextStore
    items: TextStore
    columns: BatchColumns
    query: Rows

    def __len__(self) -> int:
        """B, over all processes."""
        return len(self.columns.positive)


@dataclass(frozen=True)
class Examples:
    """queries, items: stores. pairs: of split train. known: of every split. negatives: mined item
    rows of each query row, empty where none. item_texts: texts of item rows, for made-up queries;
    read_queries: makes a store of them. lists: further item rows of each query row, by kind of LIST_KINDS."""

    queries: TextStore
    items: TextStore
    pairs: Pairs
    known: Known
    item_texts: ReadTexts
    read_queries: Callable[[Sequence[str]], TextStore]
    negatives: Ragged | None = None
    group: ProcessGroup = field(default_factory=ProcessGroup)
    lists: Mapping[str, Ragged] = field(default_factory=dict)

    def steps_per_epoch(self, sampling: Sampling) -> int:
        """Full batches of an epoch, at least one."""
        return max(1, (len(self.pairs) + self._n_synthetic(sampling.synthetic_frac)) // sampling.batch_size)

    def batches(self, sampling: Sampling, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, without the first `skip`."""
        queries, pairs = self._with_synthetic(sampling, epoch)
        frequency = self._frequency(self._n_synthetic(sampling.synthetic_frac))
        order = epoch_order(pairs, sampling.seed, epoch)
        for number, rows in enumerate(batches_of(order, sampling.batch_size)):
            if number < skip:
                continue
            rng = np.random.default_rng([sampling.seed, epoch, number])
            query, item = pairs.query[rows], pairs.item[rows]
            uniform = rng.integers(0, len(self.items), round(sampling.uniform * len(query)))
            hard = self._hard(query, sampling.hard, rng)
            listed = [self._listed(kind, query, getattr(sampling, kind), rng) for kind in self.lists]
            columns = batch_columns(query, item, uniform, hard, self.known, frequency, listed)
            # each process leaves out other features of its own texts
            thinner = np.random.default_rng([sampling.seed, epoch, number, 1 + self.group.rank])
            own_queries = query[self.group.local_slice(len(query))]
            own_items = columns.item[self.group.local_slice(len(columns.item))]
            yield Batch(
                queries.take(own_queries).thin(sampling.trigram_dropout, thinner),
                self.items.take(own_items).thin(sampling.trigram_dropout, thinner),
                columns,
                query,
            )

    def _hard(self, query: Rows, count: int, rng: np.random.Generator) -> Rows:
        """[B, H] item rows: a fresh draw from each query's mined list, random items without one."""
        if not count:
            return np.zeros((len(query), 0), np.int64)
        assert self.negatives is not None
        drawn, have = drawn_from(self.negatives, query, count, rng)
        others = rng.integers(0, len(self.items), drawn.shape)
        rows: Rows = np.where(have, drawn, others)
        return rows

    def _listed(self, kind: str, query: Rows, count: int, rng: np.random.Generator) -> ListedNegatives:
        """A fresh draw from each query's list of a kind; no item without one."""
        drawn, have = drawn_from(self.lists[kind], query, count, rng)
        return ListedNegatives(kind, drawn, np.broadcast_to(have, drawn.shape))

    def _n_synthetic(self, frac: float) -> int:
        return min(round(frac * len(self.pairs)), len(self.items))

    @cached_property
    def _drawn(self) -> NDArray[np.float64]:
        """Expected draws of each item as a pair's, in an epoch without made-up queries."""
        drawn = np.bincount(self.pairs.item, self.pairs.weight, len(self.items)).astype(np.float64)
        drawn *= len(self.pairs) / drawn.sum()
        return drawn

    def _frequency(self, synthetic: int) -> NDArray[np.float32]:
        """[N]: how much oftener than at random an item is drawn as a pair's; made-up ones are uniform."""
        count = len(self.items)
        drawn = self._drawn + synthetic / count
        floor = 1.0 / (len(self.pairs) + synthetic)  # an item that is never drawn is in no batch either
        return (drawn.clip(min=floor) * (count / (len(self.pairs) + synthetic))).astype(np.float32)

    def _with_synthetic(self, sampling: Sampling, epoch: int) -> tuple[TextStore, Pairs]:
        """The queries, and after them this epoch's made-up ones, each paired with its item."""
        count = self._n_synthetic(sampling.synthetic_frac)
        if not count:
            return self.queries, self.pairs
        rng = np.random.default_rng([sampling.seed, epoch, 0, 1])
        rows = np.sort(rng.choice(len(self.items), count, replace=False))
        synthetic = self.read_queries(synthetic_queries(self.item_texts(rows), rng))
        query = np.concatenate([self.pairs.query, len(self.queries) + np.arange(count)])
        item = np.concatenate([self.pairs.item, rows])
        weight = self.pairs.weight
        if weight is not None:
            weight = np.concatenate([weight, np.full(count, weight.mean(), np.float32)])
        return concatenate_stores([self.queries, synthetic]), Pairs(query, item, weight)


def drawn_from(lists: Ragged, query: Rows, count: int, rng: np.random.Generator) -> tuple[Rows, NDArray[np.bool_]]:
    """Items [B, count] drawn from each query's list, and whether it has one [B, 1]."""
    listed = np.zeros(int(query.max()) + 1, np.int64)
    lengths = lists.lengths[: len(listed)]
    listed[: len(lengths)] = lengths
    have = listed[query][:, None]
    place = (rng.random((len(query), count)) * have).astype(np.int64)
    if not len(lists.values):
        return np.zeros(place.shape, np.int64), have > 0
    start = lists.offsets[query.clip(max=len(lists) - 1)][:, None]
    return np.take(lists.values, start + place, mode="clip").astype(np.int64), have > 0


def synthetic_queries(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """For each text one to four of its first dozen words, in their order; empty for an empty text.

    Slots (numbers of the item, written as words) are left out.

    They teach the towers every word of the catalogue, where real pairs cover a small part of it.
    """
    if not texts:
        return []
    codes = np.frombuffer(fold(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    space = (codes <= 32) | (codes == 160)
    before = np.concatenate([[True], space[:-1]])
    starts = np.flatnonzero(~space & before)
    text_ends = np.flatnonzero(codes == 0)
    text = np.searchsorted(text_ends, starts)
    first = np.searchsorted(text, np.arange(len(texts)))
    place = np.arange(len(starts)) - first[text]

    # of each text's first words, those with the smallest of random keys
    wanted = rng.integers(1, _MAX_WORDS + 1, len(texts))
    slot = codes[starts] == ord(SLOT_MARK)
    key = rng.random(len(starts)) + np.where((place < _OUT_OF) & ~slot, 0, 1)
    order = np.lexsort((key, text))
    rank = np.empty(len(starts), np.int64)
    rank[order] = np.arange(len(starts)) - first[text[order]]
    kept_word = (rank < np.minimum(wanted[text], _OUT_OF)) & ~slot

    # white space goes with the word before it
    word_of = np.cumsum(~space & before) - 1
    kept = np.append(kept_word, False)[word_of] | (codes == 0)
    joined = codes[kept].tobytes().decode("utf-32-le", "surrogatepass").split("\x00")[:-1]
    return [" ".join(words.split()) for words in joined]
