"""The delta of a shard against an earlier day: items to encode, vectors to take over, items that have ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.embeddings.id_check import ItemHashes, published_hashes
from jobs.lake.arrow import Strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

log = logging.getLogger(__name__)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Delta:
    """to_encode [items of today] and to_keep [rows of the earlier shard], both in the order of the files.

    ended: ids of the earlier shard that are gone. Without an earlier shard everything is encoded.
    """

    to_encode: Mask
    to_keep: Mask
    ended: Strings


def encode_all(today: ItemHashes) -> Delta:
    """Encode all items."""
    return Delta(np.ones(len(today), np.bool_), np.zeros(0, np.bool_), pa.array([], pa.string()))


def compare(today: ItemHashes, before: ItemHashes) -> Delta:
    """The difference of today's items from an earlier shard, by id and content hash.

    An item without a content hash counts as changed, and so does one that ended and has come back.
    """
    row: Any = pc.index_in(before.item_ids, value_set=today.item_ids)
    present = row.is_valid().to_numpy(zero_copy_only=False)
    row_today = row.fill_null(0).to_numpy()
    same = np.zeros(len(before), np.bool_)
    if len(today):
        equal: Any = pc.equal(before.content_hashes, today.content_hashes.take(pa.array(row_today)))
        same = equal.fill_null(False).to_numpy(zero_copy_only=False)
    to_keep = present & same
    to_encode = np.ones(len(today), np.bool_)
    to_encode[row_today[to_keep]] = False
    return Delta(to_encode, to_keep, before.item_ids.filter(pa.array(~present)))


def check_address(previous: Partition, embeddings: Partition) -> None:
    """Refuse an earlier shard that cannot be one of these embeddings.

    Raises:
        ValueError: another space or shard, or a day that is not earlier.
    """
    expected = embeddings.having(ds=previous.ds)
    if previous != expected or previous.ds >= embeddings.ds:
        raise ValueError(
            f"previous={previous}: expected {expected} of a day before {embeddings.ds}: vectors are taken over"
            " only within one space and one shard; leave previous empty to encode everything"
        )


def plan(today: ItemHashes, previous: Pinned | None, settings: dict[str, object]) -> tuple[Delta, str]:
    """The delta, and the reason where everything is encoded.

    An earlier shard that was made with other settings would leave vectors of two kinds side by side. A setting may change
    on any day, so this is no error: everything is encoded, and the night goes on.
    """
    if previous is None:
        return encode_all(today), "no earlier day given"
    before = {name: previous.facts.get(name) for name in settings}
    if before != settings:
        log.warning("%s: made with %s, now with %s: everything is encoded", previous.partition, before, settings)
        return encode_all(today), f"{previous.partition} was made with {before}"
    return compare(today, published_hashes(previous)), ""
