"""Vectors of a whole catalogue in a file: encoded chunk by chunk, or read from the shards of `embeddings`."""

from __future__ import annotations

import numpy as np

from jobs.embeddings.read_shards import batches
from jobs.lake.arrays import take_room
from jobs.lake.arrow import Strings, find
from jobs.lake.fault import fault_point
from jobs.lake.read import Pinned
from jobs.platform.progress import progress
from jobs.towers.dataset import TowerDataset
from jobs.towers.resume import Scratch, VectorFile
from jobs.towers.text_store import item_store
from models.towers.encode import store_vectors
from models.towers.two_tower import TwoTower

CHUNK = 65_536  # vectors in memory at a time


def catalogue_vectors(
    scratch: Scratch, towers: TwoTower, dataset: TowerDataset, shards: list[Pinned], chunk: int = CHUNK
) -> VectorFile:
    """Vectors of all items in the order of ids, from the shards where there are any, else encoded here.

    Vectors that are already on disk are kept.

    Raises:
        RuntimeError: the shards hold other items.
    """
    file = scratch.vectors("items", len(dataset.item_ids), towers.config.width)
    if shards:
        read_shards_into(file, shards, dataset.item_ids)
        return file
    store = item_store(dataset.items, towers)
    left = store.span(file.done, len(store))
    with progress("encoding", len(store), "items") as advance:
        advance(file.done)
        for vectors in store_vectors(towers.forward_items, left, towers, chunk=chunk):
            file.append(vectors)
            advance(len(vectors))
            fault_point("negatives.items")
    return file


def read_shards_into(file: VectorFile, shards: list[Pinned], ids: Strings) -> None:
    """Write the vectors of all shards in the order of ids, unless that is done.

    Raises:
        RuntimeError: the shards hold other items.
    """
    if file.done == len(ids):
        return
    mapped = np.memmap(file.path, np.float32, "w+", shape=file.shape)
    take_room(file.path)
    filled = np.zeros(len(ids), np.int64)
    for names, vectors in batches(shards):
        rows = find(names, ids)
        mapped[rows[rows >= 0]] = vectors[rows >= 0]
        np.add.at(filled, rows[rows >= 0], 1)
    if not (filled == 1).all():
        raise RuntimeError(
            f"{shards[0].partition}: {int((filled == 0).sum()):,} of {len(ids):,} items have no vector;"
            " embed this catalogue first"
        )
    mapped.flush()
    file.done_path.write_text(str(len(ids)), "utf-8")
