"""What changed since an earlier day: which items are encoded, which are taken over, which have ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.embeddings.id_check import Census, census_of_shard
from jobs.lake.arrow import Strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

log = logging.getLogger(__name__)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Delta:
    """todo [items]: is encoded; kept [rows of the earlier shard]: is taken over; both in the order of the files.

    ended: items of the earlier shard that are no longer there. Without an earlier shard everything is encoded.
    """

    todo: Mask
    kept: Mask
    ended: Strings

    @property
    def encoded(self) -> int:
        """Items to encode."""
        return int(self.todo.sum())

    @property
    def taken_over(self) -> int:
        """Items whose vector stays."""
        return int(self.kept.sum())


def everything(today: Census) -> Delta:
    """Encode all items."""
    return Delta(np.ones(len(today), np.bool_), np.zeros(0, np.bool_), pa.array([], pa.string()))


def compare(today: Census, before: Census) -> Delta:
    """What of today's items differs from an earlier shard, by id and content hash.

    An item without a content hash counts as changed, and so does one that ended and has come back.
    """
    row: Any = pc.index_in(before.item_ids, value_set=today.item_ids)
    there = row.is_valid().to_numpy(zero_copy_only=False)
    place = row.fill_null(0).to_numpy()
    same = np.zeros(len(before), np.bool_)
    if len(today):
        equal: Any = pc.equal(before.content_hashes, today.content_hashes.take(pa.array(place)))
        same = equal.fill_null(False).to_numpy(zero_copy_only=False)
    kept = there & same
    todo = np.ones(len(today), np.bool_)
    todo[place[kept]] = False
    return Delta(todo, kept, before.item_ids.filter(pa.array(~there)))


def check_address(previous: Partition, embeddings: Partition) -> None:
    """Refuse an earlier shard that cannot be one of these embeddings.

    Raises:
        ValueError: another space or shard, or a day that is not earlier.
    """
    wanted = embeddings.having(ds=previous.ds)
    if previous != wanted or previous.ds >= embeddings.ds:
        raise ValueError(
            f"previous={previous}: expected {wanted} of a day before {embeddings.ds}: vectors are taken over"
            " only within one space and one shard; leave previous empty to encode everything"
        )


def since(today: Census, previous: Pinned | None, settings: dict[str, object]) -> tuple[Delta, str]:
    """What to do, and why everything is encoded where it is.

    An earlier shard that was made by other settings would leave vectors of two kinds side by side. A
    setting may change on any day, so this is no error: everything is encoded, and the night goes on.
    """
    if previous is None:
        return everything(today), "no earlier day given"
    found = {name: previous.facts.get(name) for name in settings}
    if found != settings:
        log.warning("%s: made with %s, now asked for %s: everything is encoded", previous.partition, found, settings)
        return everything(today), f"{previous.partition} was made with {found}"
    return compare(today, census_of_shard(previous)), ""
