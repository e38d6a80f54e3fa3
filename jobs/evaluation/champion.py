"""The index in service, ranked and timed beside the challenger: on the same queries, by the same process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.bundle.latency import latency_ms
from jobs.bundle.torch_reader import TorchBundle
from jobs.evaluation.arms import Arm
from jobs.lake.alias import has_alias, pin_alias
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin


def in_service(alias: str, index: Partition) -> Pinned:
    """Pin the version that the alias names: its address may hold a newer one by now, the challenger."""
    if has_alias(alias) and (serving := pin_alias(alias)).partition == index:
        return serving
    return pin(index)


def champion_arms(champion: TorchBundle | None, texts: Sequence[str], depth: int, pool: int) -> dict[str, Arm]:
    """Arms champion_served, champion_dense, ... of the index in service; none without one."""
    if champion is None:
        return {}
    ranked = {"served": champion.as_served().served(texts), **champion.rank(texts, depth, pool)}
    return {f"champion_{name}": (lists, champion.item_ids) for name, lists in ranked.items()}


def latency_facts(bundle: TorchBundle, champion: TorchBundle | None, texts: Sequence[str]) -> dict[str, Any]:
    """Facts of the rankings: latency_ms of the index, and `champion`, the champion's names and latency_ms, or {}.

    One process times both in turns, because latencies of different nights or machines do not compare.
    """
    timed = [bundle.as_served()] if champion is None else [bundle.as_served(), champion.as_served()]
    ours, *theirs = latency_ms(timed, texts)
    champion_facts = {} if champion is None else _names(champion.pinned) | {"latency_ms": theirs[0]}
    return {"latency_ms": ours, "champion": champion_facts}


def _names(champion: Pinned) -> dict[str, Any]:
    """Facts by which the report and the promotion know the champion that was compared with."""
    return {
        "index": str(champion.partition),
        "manifest_sha256": champion.manifest_sha256,
        "items": champion.facts["items"],
        "space_id": champion.facts["space_id"],
        "bytes_per_item": champion.facts.get("bytes_per_item", 0.0),
    }
