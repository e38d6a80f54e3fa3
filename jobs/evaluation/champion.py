"""The index in service, ranked beside the one that may take its place: on the same queries, by the same process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.bundle.latency import latency_ms
from jobs.bundle.reader import Bundle
from jobs.evaluation.arms import Arm
from jobs.lake.alias import has_alias, pin_alias
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin


def in_service(alias: str, index: Partition) -> Pinned:
    """Pin the version in service: its address may meanwhile hold a newer one, our own."""
    if has_alias(alias) and (serving := pin_alias(alias)).partition == index:
        return serving
    return pin(index)


def rival_arms(rivals: Sequence[Bundle], texts: Sequence[str], depth: int, pool: int) -> dict[str, Arm]:
    """The arms of the index in service."""
    return {
        f"champion_{name}": (made, bundle.item_ids)
        for bundle in rivals  # at most one
        for name, made in bundle.rank(texts, depth, pool).items()
    }


def compared_speed(bundle: Bundle, rivals: Sequence[Bundle], texts: Sequence[str]) -> dict[str, Any]:
    """Facts of the rankings: latency_ms of the index, and the champion by its names with its own; {} without one.

    They are timed by one process, in turns: another night's milliseconds are another machine's.
    """
    ours, *theirs = latency_ms([bundle, *rivals], texts)
    champion: dict[str, Any] = {}
    for one, took in zip(rivals, theirs, strict=True):  # at most one
        champion = _named(one.pinned) | {"latency_ms": took}
    return {"latency_ms": ours, "champion": champion}


def _named(served: Pinned) -> dict[str, Any]:
    """What the report and the promotion must know of the champion that was compared with."""
    return {
        "index": str(served.partition),
        "manifest_sha256": served.manifest_sha256,
        "items": served.facts["items"],
        "space_id": served.facts["space_id"],
        "bytes_per_item": served.facts.get("bytes_per_item", 0.0),
    }
