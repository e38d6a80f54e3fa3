"""Texts of a catalogue and their features, made once for each version of `items`, kept in files and memory-mapped.

Rows are items in the order of their ids, as in jobs.towers.dataset. Nothing here holds more than a chunk of texts
in memory, so the catalogue may be larger than it.

A store is a folder under NIGHTSHELF_HOME/stores: two flat arrays and a seal with their checksums. It is written under
another name and renamed when it is complete; a damaged one is made again. Any of them may be deleted at any time.

Why not Arrow IPC: its files hold record batches, so an array that is written piece by piece is read as chunks. A batch
of 2,048 random rows out of 1,000,000 took 6.3 ms from 62 chunks and 0.45 ms from flat arrays (one core, CPU time).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jobs.embeddings.sharding import utf8
from jobs.lake.arrow import Rows
from jobs.lake.arrow import texts as texts_in
from jobs.lake.locks import file_lock
from jobs.lake.read import Pinned, dataset
from jobs.platform.tracking import home
from models.text.ragged import Ragged, empty
from models.text.text_store import TextStore
from models.text.tokens import set_length, token_store
from models.text.trigrams import TRIGRAMS, trigram_ids
from models.towers.two_tower import TwoTower

log = logging.getLogger(__name__)
CHUNK = 16_384  # texts in memory at a time
SEAL, VALUES, OFFSETS = "seal.json", "values.bin", "offsets.bin"
FRESH = ".new"
KEPT_STORES = 16  # of one machine, unless NIGHTSHELF_STORES sets another number


@dataclass(frozen=True)
class Texts:
    """Texts by row; utf8: their bytes. `texts(rows)` and `texts[start:stop]` read only those rows."""

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
    return Texts(open_store("texts", key, lambda: _sorted(items)))


def item_store(items: Pinned, towers: TwoTower) -> TextStore:
    """Open the features of all items as these towers read them: tokens and trigrams, each where the towers have that encoder.

    Row i is of the i-th item id. len(store) items; store.span(start, stop) reads a chunk without a
    copy, store.take(rows) some rows, and either goes into towers.forward_items or encode_store.
    Token ids are uint16 where the vocabulary allows. Made on the first call, opened on the next.
    """
    config = towers.config
    texts = item_texts(items)
    trigrams = tokens = empty(len(texts))
    version = {"items": items.manifest.content_sha256}
    if config.has_trigrams:
        buckets = config.trigram_buckets

        def hashed(chunk: list[str]) -> Ragged:
            return _narrowed(Ragged(*trigram_ids(chunk, buckets)), buckets - 1)

        key = {**version, "trigrams": TRIGRAMS, "buckets": buckets}
        trigrams = open_store("trigrams", key, lambda: map(hashed, texts.chunks()))
    if config.has_bert:
        tokens = item_tokens(items, towers.tokenizer, config.max_tokens)
    return TextStore(trigrams, tokens)


def item_tokens(items: Pinned, tokenizer: Tokenizer, max_tokens: int) -> Ragged:
    """Open the token ids of all items, cut to max_tokens; made on the first call."""
    last = tokenizer.get_vocab_size() - 1
    set_length(tokenizer, max_tokens)

    def split(chunk: list[str]) -> Ragged:
        return _narrowed(token_store(tokenizer, chunk, max_tokens), last)

    content = hashlib.sha256(tokenizer.to_str().encode()).hexdigest()
    key = {"items": items.manifest.content_sha256, "tokenizer": content, "max_tokens": max_tokens}
    return open_store("tokens", key, lambda: map(split, item_texts(items).chunks()))


def _sorted(items: Pinned) -> Iterator[Ragged]:
    """The texts in the order of ids: written in the order of the files first, then read from there."""
    ids: list[pa.Array[Any]] = []

    def as_filed() -> Iterator[Ragged]:
        batches = dataset(items).to_batches(
            columns=["item_id", "text"], batch_size=CHUNK, batch_readahead=2, fragment_readahead=1
        )
        for batch in batches:
            ids.append(batch.column("item_id"))
            yield Ragged(*utf8(batch.column("text").fill_null("")))

    unsorted = _spilled(as_filed())
    order = pc.sort_indices(pa.chunked_array(ids, pa.string())).to_numpy().astype(np.int64)
    for start in range(0, len(order), CHUNK):
        yield unsorted.take(order[start : start + CHUNK])


def _strings(utf8: Ragged) -> list[str]:
    arrays: list[Any] = [np.ascontiguousarray(array) for array in (utf8.offsets, utf8.values)]
    offsets, values = map(pa.py_buffer, arrays)
    return texts_in(pa.LargeStringArray.from_buffers(len(utf8), offsets, values))


def open_store(name: str, key: Mapping[str, object], parts: Callable[[], Iterable[Ragged]]) -> Ragged:
    """Open the store of a key; a missing one is written from parts, one in memory at a time.

    key: everything that decides the content. The values have the type of the first part's. Processes of one machine
    that want the same store wait for the first of them to make it.
    """
    spelled = json.dumps(key, sort_keys=True, ensure_ascii=False)
    folder = home() / "stores" / f"{name}-{hashlib.sha256(spelled.encode()).hexdigest()[:24]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (store := _opened(folder)) is not None:
        return store
    with file_lock(_lock_of(folder)):
        store = _opened(folder)  # another process may just have made it
        if store is None:
            _write(folder, parts())
            store = _opened(folder)
            if store is None:
                raise RuntimeError(f"{folder}: damaged as soon as written; is the disk sound?")
            _prune(folder)
    return store


def _lock_of(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


def _opened(folder: Path) -> Ragged | None:
    """The store; None where it is missing, damaged, or just being replaced."""
    try:
        seal: dict[str, str] = json.loads((folder / SEAL).read_text("utf-8"))
        checksums = {name: _sha256(folder / name) for name in (VALUES, OFFSETS)}
        if {name: seal.get(name) for name in checksums} != checksums:
            log.warning("%s: not as it was written; it is made again", folder)
            return None
        os.utime(folder)  # used last: pruned last
        return Ragged(_mapped(folder / VALUES, np.dtype(seal["dtype"])), _mapped(folder / OFFSETS, np.dtype(np.int64)))
    except FileNotFoundError:
        return None


def _mapped(file: Path | IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    size = file.stat().st_size if isinstance(file, Path) else os.fstat(file.fileno()).st_size
    # an empty file cannot be mapped
    return np.memmap(file, dtype, "r") if size else np.zeros(0, dtype)


def _write(folder: Path, parts: Iterable[Ragged]) -> None:
    fresh = folder.parent / f".{folder.name}{FRESH}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        with (fresh / VALUES).open("wb") as values, (fresh / OFFSETS).open("wb") as offsets:
            dtype = _fill(values, offsets, parts)
            for file in (values, offsets):
                os.fsync(file.fileno())
        seal = {name: _sha256(fresh / name) for name in (VALUES, OFFSETS)} | {"dtype": dtype.str}
        (fresh / SEAL).write_text(json.dumps(seal), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _spilled(parts: Iterable[Ragged]) -> Ragged:
    """The rows of all parts in files without a name, which disappear with their last reader."""
    stores = home() / "stores"
    stores.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=stores) as values, TemporaryFile(dir=stores) as offsets:
        dtype = _fill(values, offsets, parts)
        return Ragged(_mapped(values, dtype), _mapped(offsets, np.dtype(np.int64)))


def _fill(values: IO[bytes], offsets: IO[bytes], parts: Iterable[Ragged]) -> np.dtype[Any]:
    """Write both arrays, one part in memory at a time; returns the type of the values."""
    dtype: np.dtype[Any] | None = None
    total = 0
    offsets.write(np.zeros(1, np.int64).tobytes())
    for part in parts:
        dtype = dtype or part.values.dtype
        values.write(np.ascontiguousarray(part.values, dtype).tobytes())
        offsets.write((np.asarray(part.offsets[1:], np.int64) + total).tobytes())
        total += len(part.values)
    values.flush()
    offsets.flush()
    return dtype or np.dtype(np.int32)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prune(newest: Path) -> None:
    """Delete the stores used longest ago; a process that has one open can still read it to the end."""
    most = int(os.environ.get("NIGHTSHELF_STORES", KEPT_STORES))
    for left in newest.parent.glob(f".*{FRESH}"):  # of processes that were killed
        lock = _lock_of(left.with_name(left.name[1 : -len(FRESH)]))
        with suppress(BlockingIOError), file_lock(lock, wait=False):
            shutil.rmtree(left, ignore_errors=True)
    stores = [path for path in newest.parent.iterdir() if (path / SEAL).is_file()]
    for old in sorted(stores, key=_last_used, reverse=True)[max(most, 1) :]:
        if old != newest:
            log.info("%s: deleted; NIGHTSHELF_STORES keeps %d", old, most)
            shutil.rmtree(old, ignore_errors=True)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _narrowed(part: Ragged, largest: int) -> Ragged:
    """The same rows, in two bytes a value where `largest` allows."""
    dtype: type[np.integer[Any]] = np.uint16 if largest < 1 << 16 else np.int32
    return Ragged(part.values.astype(dtype), part.offsets)
