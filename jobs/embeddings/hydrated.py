"""Shards whose vectors carry numbers of the items: whoever reads vectors by `read_shards` gets both, and no file changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.embeddings.sharding import hash64
from jobs.lake.arrow import Strings, large, numbers
from jobs.lake.read import Pinned, read_table
from models.ann.hydrate import Levels, Vectors, hydrated_items, quantile_levels


@dataclass(frozen=True)
class ItemLevels:
    """Levels [N, F] of the numbers of items, in the order of the hashes [N] of their ids. An unknown item has level 0: a new
    item is neither popular nor unpopular."""

    hashes: NDArray[np.uint64]
    levels: Levels

    @classmethod
    def of(cls, ids: Strings, levels: Levels) -> ItemLevels:
        """Levels [N, F] in the order of ids."""
        hashes = hash64(ids)
        order = np.argsort(hashes)
        return cls(hashes[order], np.asarray(levels)[order])

    @classmethod
    def read(cls, item_features: Pinned, names: Sequence[str]) -> ItemLevels:
        """Levels of some columns of `item_features`, each by its quantile over the whole table.

        Raises:
            ValueError: it has no such column of numbers.
        """
        rows = read_table(item_features, ["item_id", *names])
        values = np.stack([numbers(rows, name).astype(np.float64) for name in names], axis=1)
        return cls.of(large(rows.column("item_id").chunks), quantile_levels(values))

    def at(self, ids: Strings) -> Levels:
        """Levels [n, F] of items."""
        wanted = hash64(ids)
        place = np.searchsorted(self.hashes, wanted).clip(max=max(0, len(self.hashes) - 1))
        found = np.zeros((len(wanted), self.levels.shape[1]), np.int8)
        if len(self.hashes):
            known = self.hashes[place] == wanted
            found[known] = self.levels[place[known]]
        return found

    def hydrate(self, ids: Strings, vectors: Vectors) -> Vectors:
        """Vectors [n, D + F] of items with their vectors [n, D]."""
        return hydrated_items(vectors, self.at(ids))

    def hashes_with(self, ids: Strings, content_hashes: Strings) -> Strings:
        """Content hash [n] that covers the levels too, so that an item is coded anew when one of them changes."""
        columns = [pa.array(column).cast(pa.large_string()) for column in self.at(ids).T]
        space: Any = pa.scalar(" ", pa.large_string())
        parts: list[Any] = [content_hashes.cast(pa.large_string()), *columns, space]
        joined: Strings = pc.binary_join_element_wise(*parts)
        return joined


@dataclass(frozen=True)
class HydratedShard(Pinned):
    """A shard of embeddings with the levels of its items."""

    levels: ItemLevels = field(kw_only=True, compare=False)


def hydrated(shards: Sequence[Pinned], levels: ItemLevels | None) -> list[Pinned]:
    """The shards with these levels; as they are without levels."""
    if levels is None:
        return list(shards)
    return [HydratedShard(shard.partition, shard.manifest, shard.manifest_sha256, levels=levels) for shard in shards]
