"""Codes of all shards -> one index whose rows are the sorted ids of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.index.shard_codes import Shard
from jobs.lake.arrow import Rows, Strings, large
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from models.ann.codes import Block

ENTRIES = 1 << 18  # entries of a block in memory
Bytes = NDArray[np.uint8]


def pin_codes(first: Partition) -> list[Pinned]:
    """Pin every shard of codes, given the first (`0of4`).

    Raises:
        ValueError: the partition given is not the first shard.
        LookupError: a shard is not published.
        RuntimeError: the shards come from different quantisers or different days' items.
    """
    shard, shards = first.values["shard"].split("of")
    if shard != "0":
        raise ValueError(f"{first}: give the first shard, 0of{shards}; its siblings are found")
    pinned = [pin(first.having(shard=f"{number}of{shards}")) for number in range(int(shards))]
    for one in pinned[1:]:
        for name in ("quantiser_id", "space_id", "catalogue"):
            if one.facts[name] != pinned[0].facts[name]:
                raise RuntimeError(
                    f"{one.partition}: {name} {one.facts[name][:16]}, unlike {first} with"
                    f" {pinned[0].facts[name][:16]}; run jobs.index.codes on this shard again"
                )
    return pinned


@dataclass(frozen=True)
class Merged:
    """ids: of the whole catalogue, sorted. places[s][r]: the row there of row r of shard s, rising in r."""

    shards: list[Shard]
    ids: Strings
    places: list[Rows]

    @classmethod
    def of(cls, shards: list[Shard]) -> Merged:
        """Put the ids of all shards in one order.

        Raises:
            RuntimeError: an item stands in two shards.
        """
        names = large(one.ids for one in shards)
        order = pc.sort_indices(names)
        ids = names.take(order)
        if len(ids) > 1:
            again = ids[1:].filter(pc.equal(ids[1:], ids[:-1]))
            if len(again):
                raise RuntimeError(
                    f"{shards[0].pinned.partition}: {len(again):,} items stand in two shards,"
                    f" {again[0].as_py()!r} first; is a shard given twice?"
                )
        row = np.empty(len(order), np.int64)
        row[order.to_numpy()] = np.arange(len(order))
        ends = np.cumsum([len(one.ids) for one in shards])
        return cls(shards, ids, np.split(row, ends[:-1]))

    @property
    def counts(self) -> Rows:
        """Entries [L] of each list over all shards."""
        counts: Rows = sum(np.diff(one.offsets) for one in self.shards)  # type: ignore[assignment]
        return counts

    def blocks(self, entries: int = ENTRIES) -> Iterator[Block]:
        """Entries of whole lists, in order of (list, row), about so many at a time."""
        ends = np.cumsum(self.counts)
        first = 0
        while first < len(ends):
            before = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + entries, side="right")))
            yield self._block(first, last)
            first = last

    def _block(self, first: int, last: int) -> Block:
        lists, rows, codes = [], [], []
        for one, place in zip(self.shards, self.places, strict=True):
            start, stop = int(one.offsets[first]), int(one.offsets[last])
            numbers = np.arange(first, last, dtype=np.int64)
            lists.append(np.repeat(numbers, np.diff(one.offsets[first : last + 1])))
            rows.append(place[one.rows[start:stop]])
            codes.append(one.codes[start:stop])
        list_of, row_of = np.concatenate(lists), np.concatenate(rows)
        order = np.lexsort((row_of, list_of))
        return Block(list_of[order], row_of[order], np.concatenate(codes)[order])

    def refine(self, entries: int = ENTRIES) -> Iterator[Bytes]:
        """Finer codes in order of row, so many at a time; nothing where there are none."""
        if not self.shards[0].refine.shape[1]:
            return
        for start in range(0, len(self.ids), entries):
            stop = min(start + entries, len(self.ids))
            out = np.empty((stop - start, self.shards[0].refine.shape[1]), np.uint8)
            for one, place in zip(self.shards, self.places, strict=True):
                low, high = np.searchsorted(place, [start, stop])
                out[place[low:high] - start] = one.refine[low:high]
            yield out
