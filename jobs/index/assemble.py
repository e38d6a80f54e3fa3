"""Codes of all shards -> one FAISS index, in memory or with its inverted lists in a file of their own.

Rows of the index are the sorted ids of the whole catalogue. FAISS's own ways of merging are not used: `merge_from` accepts
a shard twice, and a merge on disk stores the path of its file in the index, so that a renamed folder breaks it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import faiss
import numpy as np
import pyarrow.compute as pc

from jobs.bundle.files import LISTS_FILE
from jobs.embeddings.read_shards import in_order, pin_siblings
from jobs.index.shard_codes import Bytes, CodedShard
from jobs.index.tune import TrainedIndex
from jobs.lake.arrow import Rows, Strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from models.ann.codes import ListBlock, each_row_once, fill, imbalance, set_items, widths
from models.ann.families import parts, plain

log = logging.getLogger(__name__)
ENTRIES = 1 << 18  # entries of a block in memory
ID_BYTES = 8
GB = 1e9
_ALIGNED = 8  # entries: the ids behind a list's codes then begin at a multiple of eight bytes


def pin_codes(first: Partition) -> list[Pinned]:
    """Pin every shard of codes by `pin_siblings`.

    Raises:
        RuntimeError: the shards come from different trained indexes or different days' items.
    """
    pinned = pin_siblings(first)
    for sibling in pinned[1:]:
        for name in ("quantiser_id", "space_id", "catalogue"):
            if sibling.facts[name] != pinned[0].facts[name]:
                raise RuntimeError(
                    f"{sibling.partition}: {name} {sibling.facts[name][:16]}, unlike {first} with"
                    f" {pinned[0].facts[name][:16]}; run jobs.index.codes on this shard again"
                )
        if sibling.facts.get("hydrated", {}) != pinned[0].facts.get("hydrated", {}):
            raise RuntimeError(
                f"{sibling.partition}: numbers of items unlike those of {first}; run jobs.index.codes on this shard again"
            )
    return pinned


@dataclass(frozen=True)
class MergedCodes:
    """ids: of the whole catalogue, sorted. rows[s][r]: row in them of row r of shard s, rising in r."""

    shards: list[CodedShard]
    ids: Strings
    rows: list[Rows]

    @classmethod
    def of(cls, shards: list[CodedShard]) -> MergedCodes:
        """Put the ids of all shards in one order.

        Raises:
            RuntimeError: two shards hold the same item.
        """
        ids, order = in_order([shard.ids for shard in shards])
        repeats = ids[1:].filter(pc.equal(ids[1:], ids[:-1]))
        if len(repeats):
            raise RuntimeError(
                f"{shards[0].pinned.partition}: {len(repeats):,} items are in two shards,"
                f" {repeats[0].as_py()!r} first; is a shard given twice?"
            )
        row = np.empty_like(order)
        row[order] = np.arange(len(order))
        ends = np.cumsum([len(shard.ids) for shard in shards])
        return cls(shards, ids, np.split(row, ends[:-1]))

    @property
    def counts(self) -> Rows:
        """Entries [L] of each list over all shards."""
        counts: Rows = sum(np.diff(shard.offsets) for shard in self.shards)  # type: ignore[assignment]
        return counts

    def blocks(self, entries: int = ENTRIES) -> Iterator[ListBlock]:
        """Entries of whole lists, in order of (list, row), about `entries` at a time."""
        ends = np.cumsum(self.counts)
        first = 0
        while first < len(ends):
            before = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + entries, side="right")))
            yield self._block(first, last)
            first = last

    def _block(self, first: int, last: int) -> ListBlock:
        lists, rows, codes = [], [], []
        for shard, merged_rows in zip(self.shards, self.rows, strict=True):
            start, stop = int(shard.offsets[first]), int(shard.offsets[last])
            numbers = np.arange(first, last, dtype=np.int64)
            lists.append(np.repeat(numbers, np.diff(shard.offsets[first : last + 1])))
            rows.append(merged_rows[shard.rows[start:stop]])
            codes.append(shard.codes[start:stop])
        list_of, row_of = np.concatenate(lists), np.concatenate(rows)
        order = np.lexsort((row_of, list_of))
        return ListBlock(list_of[order], row_of[order], np.concatenate(codes)[order])

    def refine(self, entries: int = ENTRIES) -> Iterator[Bytes]:
        """Finer codes in order of row, `entries` at a time; empty where the index has none."""
        width = self.shards[0].refine.shape[1]
        for start in range(0, len(self.ids) if width else 0, entries):
            stop = min(start + entries, len(self.ids))
            out = np.empty((stop - start, width), np.uint8)
            for shard, merged_rows in zip(self.shards, self.rows, strict=True):
                low, high = np.searchsorted(merged_rows, [start, stop])
                out[merged_rows[low:high] - start] = shard.refine[low:high]
            yield out


@dataclass(frozen=True)
class FilledIndex:
    """index: searchable. lists: `memory`, or `disk` where the inverted lists are in index.ivfdata."""

    index: faiss.Index
    factory: str
    quantiser_id: str
    lists: str
    imbalance: float


def assemble(merged: MergedCodes, trained_index: TrainedIndex, disk_above_gb: float, folder: Path) -> FilledIndex:
    """Put the codes of all shards into one index; nothing is encoded here.

    Codes that weigh more than disk_above_gb go to a file in the folder, where the index family allows it.
    """
    trained, factory, items = trained_index.trained, trained_index.factory, len(merged.ids)
    code_gb = items * (widths(trained)[0] + ID_BYTES) / GB
    on_disk = code_gb > disk_above_gb and fits_on_disk(trained, factory)
    log.info("%s: %s items, %.2f GB of codes", factory, f"{items:,}", code_gb)
    if on_disk:
        index = fill_on_disk(trained, items, merged.blocks(), merged.refine(), folder)
    else:
        index = fill(trained, factory, items, merged.blocks(), merged.refine())
    return FilledIndex(index, factory, trained_index.id, "disk" if on_disk else "memory", imbalance(merged.counts))


def fits_on_disk(trained: faiss.Index, factory: str) -> bool:
    """Whether lists of this family can be mapped from a file: packed codes and graphs cannot."""
    return parts(trained).ivf is not None and plain(factory) == factory


def fill_on_disk(
    trained: faiss.Index, items: int, blocks: Iterable[ListBlock], refine: Iterable[Bytes], folder: Path
) -> faiss.Index:
    """An index whose inverted lists are in `index.ivfdata` of the folder; memory holds one block.

    The file is only read afterwards, from wherever it lies beside its index. Finer codes stay in the index itself, in memory.
    """
    index = faiss.clone_index(trained)
    index_parts = parts(index)
    ivf = index_parts.ivf
    assert ivf is not None
    lists = faiss.OnDiskInvertedLists()
    lists.nlist, lists.code_size, lists.filename = ivf.nlist, ivf.code_size, str(folder / LISTS_FILE)
    lists.lists.clear()
    with (folder / LISTS_FILE).open("wb") as file:
        for block in each_row_once(blocks, items):
            _append(lists, block, file)
        while lists.lists.size() < ivf.nlist:
            lists.lists.push_back(faiss.OnDiskOneList())
        lists.totsize = file.tell()
    lists.read_only = True
    lists.do_mmap()
    ivf.replace_invlists(lists, True)
    lists.this.disown()
    set_items(index_parts, items, refine)
    return index


def _append(lists: faiss.OnDiskInvertedLists, block: ListBlock, file: IO[bytes]) -> None:
    """Write the lists of a block one after another: codes, then ids, as FAISS maps them."""
    last = int(block.lists[-1]) if len(block.lists) else -1
    edges = np.searchsorted(block.lists, np.arange(lists.lists.size(), last + 2))
    for start, stop in pairwise(edges.tolist()):
        entry = faiss.OnDiskOneList()
        entry.size, entry.offset = stop - start, file.tell()
        entry.capacity = -(-entry.size // _ALIGNED) * _ALIGNED
        spare = entry.capacity - entry.size
        file.write(np.ascontiguousarray(block.codes[start:stop]).tobytes())
        file.write(bytes(spare * lists.code_size))
        file.write(np.ascontiguousarray(block.rows[start:stop], np.int64).tobytes())
        file.write(bytes(8 * spare))
        lists.lists.push_back(entry)
