"""Texts of a catalogue and their features, made once for each version of `items`, mapped from files.

Rows are items in the order of their ids, as in jobs.towers.dataset. Nothing here holds more than a chunk of texts
in memory, so the catalogue may be larger than it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake import arrow as columns
from jobs.lake.read import Pinned, dataset
from jobs.towers.memmap import kept, narrowed, spilled
from models.text.ragged import Ragged, empty
from models.text.text_store import TextStore
from models.text.tokens import token_store
from models.text.trigrams import TRIGRAMS, trigram_ids
from models.towers.two_tower import TwoTower

CHUNK = 16_384  # texts in memory at a time
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Texts by row; utf8: their bytes. `texts(rows)` and `texts[start:stop]` read those rows alone."""

    utf8: Ragged

    def __len__(self) -> int:
        return len(self.utf8)

    def __call__(self, rows: Rows) -> list[str]:
        """Texts of the rows, in the order given."""
        return _strings(self.utf8.take(rows))

    def __getitem__(self, rows: slice) -> list[str]:
        start, stop, step = rows.indices(len(self))
        return _strings(self.utf8.span(start, max(start, stop)))[::step]

    def chunks(self) -> Iterator[list[str]]:
        """All texts, CHUNK at a time."""
        for start in range(0, len(self), CHUNK):
            yield self[start : start + CHUNK]


def item_texts(items: Pinned) -> Texts:
    """Open the texts of all items; row i is of the i-th id, in the order of bytes."""
    key = {"items": items.manifest.content_sha256}
    return Texts(kept("texts", key, lambda: _sorted(items)))


def item_store(items: Pinned, towers: TwoTower) -> TextStore:
    """Open the features of all items as these towers read them: tokens and trigrams, each if wanted.

    Row i is of the i-th item id. len(store) items; store.span(start, stop) reads a chunk without a
    copy, store.take(rows) some rows, and either goes into towers.forward_items or encode_store.
    Token ids are uint16 where the vocabulary allows. Made on the first call, opened on the next.
    """
    config = towers.config
    texts = item_texts(items)
    trigrams = tokens = empty(len(texts))
    of = {"items": items.manifest.content_sha256}
    if config.has_trigrams:
        buckets = config.trigram_buckets

        def hashed(chunk: list[str]) -> Ragged:
            return narrowed(Ragged(*trigram_ids(chunk, buckets)), buckets - 1)

        key = {**of, "trigrams": TRIGRAMS, "buckets": buckets}
        trigrams = kept("trigrams", key, lambda: _each(texts, hashed))
    if config.has_bert:
        tokenizer, last = towers.tokenizer, towers.tokenizer.get_vocab_size() - 1

        def split(chunk: list[str]) -> Ragged:
            return narrowed(token_store(tokenizer, chunk, config.max_tokens), last)

        spelled = hashlib.sha256(tokenizer.to_str().encode()).hexdigest()
        key = {**of, "tokenizer": spelled, "max_tokens": config.max_tokens}
        tokens = kept("tokens", key, lambda: _each(texts, split))
    return TextStore(trigrams, tokens)


def _each(texts: Texts, features: Callable[[list[str]], Ragged]) -> Iterator[Ragged]:
    for chunk in texts.chunks():
        yield features(chunk)


def _sorted(items: Pinned) -> Iterator[Ragged]:
    """The texts in the order of ids: first as the files have them, then each chunk's from there."""
    ids: list[pa.Array[Any]] = []

    def as_filed() -> Iterator[Ragged]:
        batches = dataset(items).to_batches(
            columns=["item_id", "text"], batch_size=CHUNK, batch_readahead=2, fragment_readahead=1
        )
        for batch in batches:
            ids.append(batch.column("item_id"))
            yield _utf8(batch.column("text"))

    found = spilled(as_filed())
    order = pc.sort_indices(pa.chunked_array(ids, pa.string())).to_numpy().astype(np.int64)
    for start in range(0, len(order), CHUNK):
        yield found.take(order[start : start + CHUNK])


def _utf8(column: pa.Array[Any]) -> Ragged:
    """The bytes of Arrow strings; a null is an empty text."""
    full: Any = pc.fill_null(column.cast(pa.large_string()), "")  # type: ignore[type-var]
    _, offsets, values = full.buffers()
    places = np.frombuffer(offsets, np.int64)[full.offset : full.offset + len(full) + 1]
    held = np.frombuffer(values or b"", np.uint8)
    return Ragged(held[places[0] : places[-1]], places - places[0])


def _strings(utf8: Ragged) -> list[str]:
    plain: list[Any] = [np.ascontiguousarray(one) for one in (utf8.offsets, utf8.values)]
    offsets, values = map(pa.py_buffer, plain)
    return columns.texts(pa.LargeStringArray.from_buffers(len(utf8), offsets, values))
