"""A catalogue of vectors in a lake, day by day, without towers: embeddings, a trained index, codes, merged codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.bundle.files import write_index
from jobs.index import codes
from jobs.index.assemble import MergedCodes, pin_codes
from jobs.index.shard_codes import CodedShard
from jobs.index.tune import CANARIES, TRAINED
from jobs.lake.partitions import CODES, EMBEDDINGS, TRAINED_INDEX, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from models.ann.train import train
from tests.models.ann.vectors import DIM, Vectors, items, queries

SPACE, SHARDS = "7f3a5c1e9b2d4a60", 3
Strings = NDArray[np.object_]


@dataclass(frozen=True)
class Args:
    """to  output"""

    to: Partition


@dataclass
class Catalogue:
    """ids and content of a day; vectors follow from the content."""

    ids: Strings
    hashes: Strings
    vectors: Vectors

    @classmethod
    def first(cls, count: int) -> Catalogue:
        ids = np.array([f"item-{(7919 * row) % 99_991:05d}" for row in range(count)], dtype=object)
        return cls(ids, np.array([f"{row}a" for row in range(count)], dtype=object), items(count))

    def next(self, day: int, rate: float = 0.03) -> Catalogue:
        """A day later: some items end, some change, some are new, and one that ended comes back."""
        rng = np.random.default_rng(day)
        stays = rng.random(len(self.ids)) >= rate
        ids, hashes, vectors = (self.ids[stays], self.hashes[stays].copy(), self.vectors[stays].copy())
        changed = np.flatnonzero(rng.random(len(ids)) < rate)
        hashes[changed] = [f"{day}-{row}" for row in changed]
        vectors[changed] = items(len(changed), seed=1000 + day)
        count = int((~stays).sum())
        new = [f"new-{day}-{row:04d}" for row in range(count)]
        new[0] = self.ids[~stays][0]  # ended and back at once, with other content
        fresh = [f"{day}+{row}" for row in range(count)]
        return Catalogue(
            np.concatenate([ids, np.array(new, dtype=object)]),
            np.concatenate([hashes, np.array(fresh, dtype=object)]),
            np.concatenate([vectors, items(count, seed=2000 + day)]),
        )

    @property
    def sorted(self) -> tuple[list[str], Vectors]:
        order = np.argsort(self.ids)
        return self.ids[order].tolist(), self.vectors[order]

    def embed(self, ds: str, shards: int = SHARDS) -> list[Partition]:
        """Publish as embeddings, rows in no order."""
        made = []
        for number in range(shards):
            to = EMBEDDINGS.at(ds=ds, space=SPACE, shard=f"{number}of{shards}")
            mine = np.array([sum(name.encode()) % shards == number for name in self.ids])
            mine = np.random.default_rng(1).permutation(np.flatnonzero(mine))
            flat = pa.array(self.vectors[mine].reshape(-1))
            table = pa.table(
                {
                    "item_id": self.ids[mine].tolist(),
                    "content_hash": self.hashes[mine].tolist(),
                    "embedding": pa.FixedSizeListArray.from_arrays(flat, DIM),
                }
            )
            with publish(to, Args(to), [_items(ds)]) as out:
                out.write_table(table)
                out.facts.update(space_id=SPACE, dim=DIM)
            made.append(to)
        return made


def _items(ds: str) -> Pinned:
    """An items partition to have come from."""
    from jobs.lake.partitions import ITEMS

    to = ITEMS.at(ds=ds)
    try:
        return pin(to)
    except LookupError:
        with publish(to, Args(to)) as out:
            (out.folder / "day.txt").write_text(ds)
    return pin(to)


def quantise(ds: str, catalogue: Catalogue, factory: str, name: str = "0" * 16) -> Partition:
    """Publish a trained trained_index."""
    to = TRAINED_INDEX.at(ds=ds, space=SPACE)
    with publish(to, Args(to)) as out:
        write_index(train(catalogue.vectors, factory), out.folder / TRAINED)
        np.save(out.folder / CANARIES, queries(30))
        out.facts.update(factory=factory, quantiser_id=name, space_id=SPACE)
    return to


def code(ds: str, trained_index: Partition, before: str = "", shards: int = SHARDS) -> Partition:
    """Run jobs.index.codes on every shard; returns the first."""
    for number in range(shards):
        shard = f"{number}of{shards}"
        at = {"space": SPACE, "shard": shard}
        previous = CODES.at(ds=before, **at) if before else Partition()
        codes.main(codes.Args(EMBEDDINGS.at(ds=ds, **at), trained_index, CODES.at(ds=ds, **at), previous))
    return CODES.at(ds=ds, space=SPACE, shard=f"0of{shards}")


def merged(first: Partition) -> MergedCodes:
    return MergedCodes.of([CodedShard.open(pinned) for pinned in pin_codes(first)])
