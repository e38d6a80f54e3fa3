"""Texts to pre-train on: the catalogue's and the queries', read in chunks, held as piece ids alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from tokenizers import Tokenizer

from jobs.attempt import Attempt
from jobs.columns import texts as texts_in
from jobs.progress import Advance
from jobs.reading import Pinned, dataset
from models.masking import Masker
from models.ragged import Ragged, concatenate, empty
from models.tokens import token_store

CHUNK = 16_384  # texts held as strings at a time
DEV_TEXTS = 10_000  # of items, and of queries: what is asked after every epoch
SIDES = ("train", "dev")
BEYOND = "beyond max_texts, or without a word"


@dataclass(frozen=True)
class Reader:
    """Texts of items and queries, each on one side for good: train teaches, dev examines.

    An item's side follows from its text, so that an offer's twin is not asked for what the other has
    taught; a query's is its split. Queries of split test are never read. max_texts: of items, and of
    queries, that teach; beyond it a sample by hash. dev_frac: of the items.
    """

    items: Pinned
    queries: Pinned
    max_texts: int
    dev_frac: float

    def texts(self, side: str) -> Iterator[list[str]]:
        """Texts of a side: items, then queries, at most CHUNK at a time."""
        yield from self.of_items(side)
        yield from self.of_queries(side)

    def of_items(self, side: str) -> Iterator[list[str]]:
        """Item texts of a side."""
        rows = max(1, self.items.manifest.rows)
        dev = min(self.dev_frac, DEV_TEXTS / rows)
        taught = dev + (1.0 - dev) * min(1.0, self.max_texts / rows)
        start, stop = (dev, taught) if side == "train" else (0.0, dev)
        yield from _between(_chunks(self._items, "text"), start, stop)

    def of_queries(self, side: str) -> Iterator[list[str]]:
        """Query texts of a side."""
        most = self.max_texts if side == "train" else DEV_TEXTS
        taken = most / max(1, self.n_queries[side])
        yield from _between(_chunks(self._queries, "query", pc.field("split") == side), 0.0, taken)

    @property
    def total(self) -> int:
        """About how many texts both sides have."""
        items = min(self.items.manifest.rows, self.max_texts)
        return items + min(self.n_queries["train"], self.max_texts) + self.n_queries["dev"]

    @cached_property
    def n_queries(self) -> dict[str, int]:
        """Number of queries of each split that is read."""
        return {
            side: int(self._queries.count_rows(filter=pc.field("split") == side)) for side in SIDES
        }

    @cached_property
    def _items(self) -> Dataset:
        return dataset(self.items)

    @cached_property
    def _queries(self) -> Dataset:
        return dataset(self.queries)


@dataclass(frozen=True)
class Corpus:
    """train, dev: piece ids of texts that hold a word; items, queries: how many of train are which.

    counts [V]: of the words' pieces in train.
    """

    train: Ragged
    dev: Ragged
    items: int
    queries: int
    dev_items: int
    counts: NDArray[np.int64]

    def count(self, out: Attempt, reader: Reader) -> None:
        """State what became of every item and query."""
        items, queries, n = (
            reader.items.manifest.rows,
            reader.queries.manifest.rows,
            reader.n_queries,
        )
        out.count("items", items, self.items, {
            "examine": self.dev_items, BEYOND: items - self.items - self.dev_items,
        })  # fmt: skip
        out.count("queries", queries, self.queries, {
            "of split dev": n["dev"], "of split test": queries - n["train"] - n["dev"],
            BEYOND: n["train"] - self.queries,
        })  # fmt: skip


def read_corpus(
    reader: Reader, tokenizer: Tokenizer, masker: Masker, max_tokens: int, advance: Advance
) -> Corpus:
    """Read both sides. Memory: two bytes a piece (four beyond 65,536 pieces) and a chunk of strings.

    Raises:
        ValueError: no text of split train holds a word.
    """
    vocabulary = tokenizer.get_vocab_size()
    narrow = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.int32)
    counts = np.zeros(vocabulary, np.int64)

    def held(chunks: Iterator[list[str]], is_train: bool) -> Ragged:
        parts = [empty(0)]
        for texts in chunks:
            store = token_store(tokenizer, texts, max_tokens)
            store = store.take(np.flatnonzero(masker.has_words(store)))
            if is_train:
                words = store.values[masker.word[store.values]]
                counts[:] += np.bincount(words, minlength=vocabulary)
            parts.append(Ragged(store.values.astype(narrow), store.offsets))
            advance(len(texts))
        return _joined(parts, narrow)

    items, queries = held(reader.of_items("train"), True), held(reader.of_queries("train"), True)
    dev_items, dev_queries = (
        held(reader.of_items("dev"), False),
        held(reader.of_queries("dev"), False),
    )
    if not len(items) + len(queries):
        raise ValueError(
            f"{reader.items.partition}, {reader.queries.partition}: no text to learn from among"
            f" {reader.items.manifest.rows:,} items and {reader.n_queries['train']:,} queries of split"
            " train; are titles filled in?"
        )
    return Corpus(
        _joined([items, queries], narrow),
        _joined([dev_items, dev_queries], narrow),
        len(items),
        len(queries),
        len(dev_items),
        counts,
    )


def _joined(parts: list[Ragged], narrow: np.dtype[np.generic]) -> Ragged:
    joined = concatenate(parts)
    return Ragged(joined.values.astype(narrow), joined.offsets)


def _chunks(table: Dataset, column: str, where: pc.Expression | None = None) -> Iterator[list[str]]:
    read = table.to_batches(
        columns=[column], filter=where, batch_size=CHUNK, batch_readahead=1, fragment_readahead=1
    )
    for batch in read:
        yield texts_in(batch.column(column))


def _between(chunks: Iterator[list[str]], start: float, stop: float) -> Iterator[list[str]]:
    """Texts whose hash, taken as a share of all hashes, lies in [start, stop)."""
    for texts in chunks:
        hashes = np.fromiter(map(zlib.crc32, map(str.encode, texts)), np.int64, len(texts))
        kept = (hashes >= start * 2**32) & (hashes < stop * 2**32)
        yield [texts[row] for row in np.flatnonzero(kept)]
