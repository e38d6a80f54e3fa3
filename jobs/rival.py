"""The index in service, ranked beside the one that may take its place: on the same queries, by the same process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.attempt import Attempt
from jobs.bundle import load_bundle
from jobs.lake import Partition
from jobs.pointer import has_pointer, read_pointer
from jobs.ranked_arms import Arm
from jobs.reading import Pinned, pin
from jobs.speed import latency_ms


def in_service(index: Partition) -> Pinned:
    """Pin the version in service: its address may meanwhile hold a newer one, our own."""
    if has_pointer("champion") and (serving := read_pointer("champion")).partition == index:
        return serving
    return pin(index)


def rival_arms(
    served: list[Pinned], texts: Sequence[str], depth: int, pool: int, out: Attempt
) -> dict[str, Arm]:
    """The arms of the index in service, and the fact which one it was."""
    out.facts["champion"] = {}
    arms: dict[str, Arm] = {}
    for one in served:  # at most one
        bundle = load_bundle(one)
        found = bundle.rank(texts, depth, pool)
        arms.update({f"champion_{name}": (made, bundle.item_ids) for name, made in found.items()})
        # timed in the same process as the challenger: another night's milliseconds are another machine's
        out.facts["champion"] = {**_named(one), "latency_ms": latency_ms(bundle, texts)}
    return arms


def _named(served: Pinned) -> dict[str, Any]:
    """What the report and the promotion must know of the champion that was compared with."""
    return {
        "index": str(served.partition),
        "manifest_sha256": served.manifest_sha256,
        "items": served.facts["items"],
        "space_id": served.facts["space_id"],
        "bytes_per_item": served.facts.get("bytes_per_item", 0.0),
    }
