"""Texts to pre-train on: the catalogue's and the queries', read in chunks, held as piece ids alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jobs.lake.arrow import texts as texts_in
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, dataset
from jobs.platform.progress import Advance
from models.pretraining.masking import Masker
from models.text.ragged import Ragged
from models.text.tokens import token_store

CHUNK = 16_384  # texts held as strings at a time
DEV_TEXTS = 10_000  # of items, and of queries: evaluated after every epoch
SIDES = ("train", "dev")
BEYOND = "beyond max_texts, or without a word"


@dataclass(frozen=True)
class Reader:
    """Texts of items and queries, each always on the same side: train or dev.

    An item's side follows from its text, so that equal texts are never on both sides; a query's side is its
    split. Queries of split test are never read. max_texts: of items, and of queries, on side train; beyond it a
    sample by hash. dev_frac: of the items.
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
        train = dev + (1.0 - dev) * min(1.0, self.max_texts / rows)
        start, stop = (dev, train) if side == "train" else (0.0, dev)
        yield from _between(_chunks(self.items, "text"), start, stop)

    def of_queries(self, side: str) -> Iterator[list[str]]:
        """Query texts of a side."""
        most = self.max_texts if side == "train" else DEV_TEXTS
        taken = most / max(1, self.n_queries[side])
        yield from _between(_chunks(self.queries, "query", pc.field("split") == side), 0.0, taken)

    @property
    def total(self) -> int:
        """Approximate number of texts on both sides."""
        items = min(self.items.manifest.rows, self.max_texts)
        return items + min(self.n_queries["train"], self.max_texts) + self.n_queries["dev"]

    @cached_property
    def n_queries(self) -> dict[str, int]:
        """Number of queries of each split that is read."""
        return {side: int(dataset(self.queries).count_rows(filter=pc.field("split") == side)) for side in SIDES}


@dataclass(frozen=True)
class Corpus:
    """train, dev: piece ids of texts that hold a word; items, queries: number of each in train.

    counts [V]: of the words' pieces in train.
    """

    train: Ragged
    dev: Ragged
    items: int
    queries: int
    dev_items: int
    counts: NDArray[np.int64]

    def count(self, out: Attempt, reader: Reader) -> None:
        """Account for every item and query."""
        items, queries = reader.items.manifest.rows, reader.queries.manifest.rows
        n = reader.n_queries
        out.count("items", items, self.items, {"examine": self.dev_items, BEYOND: items - self.items - self.dev_items})
        left_out = {"of split dev": n["dev"], "of split test": queries - n["train"] - n["dev"]}
        out.count("queries", queries, self.queries, {**left_out, BEYOND: n["train"] - self.queries})


def read_corpus(reader: Reader, tokenizer: Tokenizer, masker: Masker, max_tokens: int, advance: Advance) -> Corpus:
    """Read both sides. Memory: four bytes a piece while it is read, two after, and a chunk of strings.

    Raises:
        ValueError: no text of split train holds a word.
    """
    train, dev = (_TextCollector(tokenizer, masker, max_tokens, advance) for _ in SIDES)
    items, queries = train.add(reader.of_items("train")), train.add(reader.of_queries("train"))
    dev_items, _ = dev.add(reader.of_items("dev")), dev.add(reader.of_queries("dev"))
    if not items + queries:
        raise ValueError(
            f"{reader.items.partition}, {reader.queries.partition}: no text to learn from among"
            f" {reader.items.manifest.rows:,} items and {reader.n_queries['train']:,} queries of split"
            " train; are titles filled in?"
        )
    return Corpus(train.texts(), dev.texts(), items, queries, dev_items, train.counts)


class _TextCollector:
    """Piece ids of texts, collected chunk by chunk, without texts that hold no word."""

    def __init__(self, tokenizer: Tokenizer, masker: Masker, max_tokens: int, advance: Advance) -> None:
        self.tokenizer, self.masker, self.max_tokens = tokenizer, masker, max_tokens
        self.advance = advance
        pieces = tokenizer.get_vocab_size()
        self.narrow = np.uint16 if pieces <= 1 << 16 else np.int32
        self.counts = np.zeros(pieces, np.int64)
        self.values: list[NDArray[np.integer[Any]]] = [np.zeros(0, self.narrow)]
        self.lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]

    def add(self, chunks: Iterator[list[str]]) -> int:
        """Add texts; returns the number that hold a word."""
        added = 0
        for texts in chunks:
            store = token_store(self.tokenizer, texts, self.max_tokens)
            store = store.take(np.flatnonzero(self.masker.has_words(store)))
            words = store.values[self.masker.word[store.values]]
            self.counts += np.bincount(words, minlength=len(self.counts))
            self.values.append(store.values.astype(self.narrow))
            self.lengths.append(store.lengths)
            added += len(store)
            self.advance(len(texts))
        return added

    def texts(self) -> Ragged:
        """All texts added; the collector is empty afterwards."""
        values = np.concatenate(self.values)
        self.values.clear()
        return Ragged(values, np.cumsum(np.concatenate(self.lengths)))


def _chunks(table: Pinned, column: str, where: pc.Expression | None = None) -> Iterator[list[str]]:
    source = dataset(table)
    read = source.to_batches(columns=[column], filter=where, batch_size=CHUNK, batch_readahead=1, fragment_readahead=1)
    for batch in read:
        yield texts_in(batch.column(column))


def _between(chunks: Iterator[list[str]], start: float, stop: float) -> Iterator[list[str]]:
    """Texts whose hash, as a share of all hashes, lies in [start, stop)."""
    for texts in chunks:
        hashes = np.fromiter(map(zlib.crc32, map(str.encode, texts)), np.int64, len(texts))
        kept = (hashes >= start * 2**32) & (hashes < stop * 2**32)
        yield [texts[row] for row in np.flatnonzero(kept)]
