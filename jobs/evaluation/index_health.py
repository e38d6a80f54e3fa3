"""Health of an index, measured while it is judged: lost items, wrong vectors, recall, latency beside the champion's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.bundle.files import LEVELS_FILE
from jobs.bundle.latency import latency_ms
from jobs.bundle.near_duplicates import vectors_in
from jobs.bundle.reader import Bundle
from jobs.bundle.torch_reader import TorchBundle, own_vector_frac
from jobs.embeddings.hydrated import ItemLevels, hydrated
from jobs.embeddings.read_shards import exact_rankings
from jobs.lake.alias import has_alias, pin_alias
from jobs.lake.arrow import find, strings
from jobs.lake.arrow import texts as texts_of
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin, read_table
from models.ann.exact import Rows, equal_numbers, vector_hashes
from models.ann.families import parts
from models.evaluation.recall import interchangeable, labelled, overlap

CANARIES = 256


def in_service(alias: str, index: Partition) -> Pinned:
    """Pin the version that the alias names: its address may hold a newer one by now, the challenger."""
    if has_alias(alias) and (serving := pin_alias(alias)).partition == index:
        return serving
    return pin(index)


def catalogue_health(bundle: TorchBundle, items: Pinned) -> dict[str, Any]:
    """Compare the index with the catalogue: lost items, and vectors that are not those of their item."""
    rows = read_table(items, ["item_id", "text"])
    ids, texts = strings(rows, "item_id"), strings(rows, "text")
    chosen = np.random.default_rng(0).choice(len(ids), min(CANARIES, len(ids)), replace=False)
    canaries = [ids[row] for row in chosen], [texts[row] for row in chosen]
    return {
        "items": len(ids),
        "indexed": int(bundle.index.ntotal),
        "lost_items": int((find(ids, bundle.item_ids) < 0).sum()),
        "own_vector_frac": own_vector_frac(bundle, *canaries),
    }


def recall(bundle: Bundle, texts: Sequence[str], shards: list[Pinned]) -> dict[str, Any]:
    """Measure the index against exact search on the very queries that judge it."""
    depth = min(int(bundle.facts["recall_depth"]), bundle.index.ntotal)
    wanted = bundle.encode(texts)
    lists = parts(bundle.index).ivf
    found = bundle.dense(wanted, depth).items
    if shards:
        ranked, ids, equal = exact_rankings(hydrated(shards, _levels(bundle)), bundle.hydrated(wanted), depth)
        # a lost item stays wanted, as it has a number; one that only the index has is never wanted
        exact, found = ranked.items, find([*texts_of(bundle.item_ids), ""], ids)[found]
    else:
        whole = int(lists.nlist) if lists is not None else 0
        exact = bundle.dense(wanted, depth, nprobe=whole).items
        equal = _equal_codes(bundle, np.unique([exact, found]))
    share = overlap(*(interchangeable(labelled(rows, equal)) for rows in (found, exact)))
    against = "its vectors" if shards else "an exhaustive search of itself"
    return {"index_recall": share, "recall_depth": depth, "recall_against": against}


def _levels(bundle: Bundle) -> ItemLevels | None:
    """The numbers of the items that the bundle has behind its vectors; None for plain vectors."""
    if not len(bundle.weights):
        return None
    return ItemLevels.of(bundle.item_ids, np.load(bundle.pinned.path(LEVELS_FILE), allow_pickle=False))


def _equal_codes(bundle: Bundle, rows: Rows) -> Rows:
    """A number for each of these rows of the index, one for those of equal codes; -1 for all others."""
    rows = rows[rows >= 0]
    equal = np.full(bundle.index.ntotal, -1, np.int64)
    equal[rows] = equal_numbers([vector_hashes(vectors_in(bundle.index)(rows))])
    return equal


def latency_facts(bundle: TorchBundle, champion: TorchBundle | None, texts: Sequence[str]) -> dict[str, Any]:
    """Facts of the rankings: latency_ms of the index, and `champion`, the champion's names and latency_ms, or {}.

    One process times both in turns, because latencies of different nights or machines do not compare.
    """
    ours, *theirs = latency_ms([each.as_served() for each in (bundle, champion) if each is not None], texts)
    if champion is None:
        return {"latency_ms": ours, "champion": {}}
    pinned, facts = champion.pinned, champion.pinned.facts
    compared = {
        "index": str(pinned.partition),
        "manifest_sha256": pinned.manifest_sha256,
        "items": facts["items"],
        "space_id": facts["space_id"],
        "bytes_per_item": facts.get("bytes_per_item", 0.0),
    }
    return {"latency_ms": ours, "champion": {**compared, "latency_ms": theirs[0]}}
