"""Neighbours of items -> the bundle that a service reads.

python -m jobs recommendations --items items/ds=2026-01-31 \\
    --item_neighbours item_neighbours/ds=2026-01-31/method=hybrid --item2vec item2vec/ds=2026-01-31/method=content \\
    --content embeddings/ds=2026-01-31/space=5b1e0c33a7d2f498/shard=0of1 --recommendations recommendations/ds=2026-01-31
"""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.bundle import recommendations as bundle
from jobs.bundle.files import FACTS_FILE, write_ids, write_json
from jobs.embeddings.read_shards import batches, pin_shards
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick, texts
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import CommandArgs, PositiveInt
from jobs.recommendations.item_encoder import VECTORS, WORDS, space_of
from jobs.recommendations.read_lists import read_lists
from models.fusion.ranked_lists import Ranked

GOLDEN_ITEMS = 32


class Args(CommandArgs):
    """items            the catalogue
    item_neighbours  neighbours of every item
    item2vec         trained content vectors: words of items that come in after this bundle
    content          first shard of the catalogue's content vectors
    recommendations  output
    popular          items of the most clients, among which new items find theirs
    """

    items: Partition
    item_neighbours: Partition
    item2vec: Partition
    content: Partition
    recommendations: Partition
    popular: PositiveInt = 20_000


def main(args: Args) -> dict[str, Any]:
    """Lay the lists out for a service, and open the bundle as it would."""
    items, lists, words = (pin(at) for at in (args.items, args.item_neighbours, args.item2vec))
    shards = pin_shards(args.content)
    if space_of(words) != args.content.values["space"]:
        raise ValueError(f"{args.content}: of another space than {args.item2vec}, {space_of(words)}")
    with publish(args.recommendations, args, [items, lists, words, *shards]) as out:
        rows = read_table(items, ["item_id", "title"]).sort_by("item_id")
        ids, titles = (large(rows.column(name).chunks) for name in ("item_id", "title"))
        ranked = read_lists(lists, ids)
        write_ids(ids, titles, out.folder)
        save_array(out.folder / bundle.NEIGHBOURS, ranked.items.astype(np.int32))
        save_array(out.folder / bundle.SCORES, ranked.scores)
        popular = _popular(lists, ids, args.popular)
        save_array(out.folder / bundle.POPULAR, popular)
        save_array(out.folder / bundle.POPULAR_VECTORS, _vectors(shards, pick(ids, popular)))
        shutil.copyfile(words.path(WORDS), out.folder / bundle.WORDS)
        shutil.copyfile(words.path(VECTORS), out.folder / bundle.WORD_VECTORS)
        _write_facts(out, ids, ranked, lists, words)
    bundle.open_recommendations(pin(args.recommendations))
    return {"recommendations": str(args.recommendations), **out.facts}


def _popular(lists: Pinned, ids: Strings, count: int) -> Rows:
    """Rows of the items of the most clients, the most first."""
    rows = read_table(lists, ["item_id", "support"])
    support = np.zeros(len(ids), np.int64)
    support[find(large(rows.column("item_id").chunks), ids)] = numbers(rows, "support")
    best = np.argsort(-support, kind="stable")[:count]
    known = best[support[best] > 0]
    # a shop without a session has no popular item; a new item then finds any
    return known if len(known) else best


def _vectors(shards: list[Pinned], wanted: Strings) -> NDArray[np.float16]:
    """Content vectors of some items, in their order."""
    made = np.zeros((len(wanted), int(shards[0].facts["dim"])), np.float16)
    for names, vectors in batches(shards):
        row = find(names, wanted)
        made[row[row >= 0]] = vectors[row >= 0]
    return made


def _write_facts(out: Attempt, ids: Strings, ranked: Ranked, lists: Pinned, words: Pinned) -> None:
    """Facts and golden lists. lists_id: a hash of what decides the lists, by which rankings and reports name them."""
    covered = float((ranked.items[:, 0] >= 0).mean()) if len(ids) else 0.0
    about = f"{lists.manifest.content_sha256} {words.manifest.content_sha256}"
    size = sum(file.stat().st_size for file in out.folder.iterdir())
    out.facts.update(items=len(ids), depth=ranked.items.shape[1], coverage=covered)
    out.facts.update(lists_id=hashlib.sha256(about.encode()).hexdigest()[:16], bytes_per_item=size / max(1, len(ids)))
    made = {"recommendations_format": bundle.FORMAT, "hashed_dim": int(words.facts["hashed_dim"])}
    write_json({**out.facts, **made}, out.folder / FACTS_FILE)
    chosen = np.unique(np.linspace(0, len(ids) - 1, min(GOLDEN_ITEMS, len(ids))).astype(np.int64))
    golden = {
        name: texts(pick(ids, row[row >= 0][: bundle.GOLDEN_TOP]))
        for name, row in zip(texts(pick(ids, chosen)), ranked.items[chosen], strict=True)
    }
    write_json(golden, out.folder / bundle.GOLDEN)
