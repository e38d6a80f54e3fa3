"""What became of a shard: checked against the catalogue, accounted for, ended items set aside."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.embeddings.delta import Delta
from jobs.embeddings.id_check import Census, digest, ids_on_disk, repeated
from jobs.embeddings.shard_task import Done, total
from jobs.lake.arrow import Strings, table_of
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

TOMBSTONES = "tombstones"
ENDED = f"{TOMBSTONES}/ended.parquet"


def check(out: Attempt, items: Partition, today: Census, shares: list[Done]) -> str:
    """Read the ids back from the files: those of the catalogue, each once. Returns their digest.

    Raises:
        RuntimeError: ids out are not ids in.
    """
    written = ids_on_disk(out.uri, [name for one in shares for name in one.files])
    found, expected = digest(written), digest(today.item_ids)
    if found != expected:
        lost: Any = pc.is_in(today.item_ids, value_set=written)
        alien: Any = pc.is_in(written, value_set=today.item_ids)
        raise RuntimeError(
            f"{out.partition}: {len(written):,} ids written for {len(today):,} of {items}:"
            f" {pc.sum(pc.invert(lost)).as_py() or 0:,} lost, {pc.sum(pc.invert(alien)).as_py() or 0:,} not of"
            f" the catalogue, {(repeated(written) or (0,))[0]:,} repeated; this is a defect of the job"
        )
    fault_point("embeddings.checked")
    return found


def write_ended(out: Attempt, ended: Strings) -> None:
    """Write the items that the earlier day had and this has not, be there none: the tombstones."""
    folder = out.folder / TOMBSTONES
    folder.mkdir()
    ids = ended.cast(pa.string())
    table = table_of({"item_id": ids.take(pc.sort_indices(ids))})
    pq.write_table(table, out.folder / ENDED, compression="zstd", write_page_checksum=True)


def account(out: Attempt, today: Census, delta: Delta, shares: list[Done], previous: Pinned | None) -> dict[str, Any]:
    """State what was done, and what taking over has saved; returns the figures.

    saved_s: an estimate, what the items taken over would have cost at the rate measured on those encoded, or on
    those of the earlier day where they were more (a few items do not show the rate of many), less what
    taking them over did cost.
    """
    done = total(shares)
    out.count("items", today.read, len(today), {"other shards": today.read - len(today)})
    rate = done.encoded / done.wall_s if done.encoded else 0.0
    before = previous.facts if previous else {}
    known = rate
    if before.get("items_s") and int(before.get("encoded", 0)) > done.encoded:
        known = float(before["items_s"])
    spent = max(one.seconds.get("take over", 0.0) for one in shares)
    padding = done.padding / max(1, done.tokens + done.padding)
    return {
        "items": len(today),
        "encoded": done.encoded,
        "taken_over": done.taken_over,
        "ended": len(delta.ended),
        "encoded_frac": round(done.encoded / max(1, len(today)), 6),
        "items_s": round(rate, 2),
        "saved_s": round(done.taken_over / known - spent, 1) if done.taken_over and known else 0.0,
        "padding_frac": round(padding, 4),
        "processes": len(shares),
        "workers": len({one.process for one in shares}),
        "towers_loaded": done.loaded,
    }


def seconds(shares: list[Done], **more: float) -> dict[str, float]:
    """Seconds by stage, of all processes together: they overlap, so they add up to more than the wall."""
    stages = {**total(shares).seconds, **more}
    return {name.replace(" ", "_"): round(taken, 3) for name, taken in stages.items()}
