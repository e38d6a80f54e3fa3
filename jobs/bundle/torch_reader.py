"""The bundle as it is judged: what the reader opens, with torch as its encoder and the item tower beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from jobs.bundle.bundle_parts import parts
from jobs.bundle.reader import Bundle
from jobs.bundle.tower_files import check_golden, load_towers
from jobs.lake.arrow import find
from jobs.lake.read import Pinned
from models.ann.families import parts as parts_of
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TwoTower

# codes of a few bits keep some eight tenths of a vector's direction; a stranger's text shares next to none of it
LEAST_OWN_COSINE = 0.5
# near-duplicates among the items: a code may lie as near to the other's text
DUPLICATE_COSINE = 0.02


@dataclass(frozen=True)
class Judged(Bundle):
    """A bundle whose queries torch encodes: many at a time, and items as well."""

    towers: TwoTower


def load_bundle(pinned: Pinned) -> Judged:
    """Load a bundle, and refuse it unless all its parts belong together; see `jobs.bundle.reader.open_bundle`.

    Here the space id is that of the weights themselves, and golden items are encoded too.

    Raises:
        RuntimeError: a file is damaged, or towers, index, ids and facts do not fit each other.
    """
    found = parts(pinned)
    towers = load_towers(pinned)
    check_golden(towers, pinned)
    bundle = Judged(pinned, partial(encode_queries, towers), **found, towers=towers)
    if bundle.has_sparse:
        _ = bundle.sparse  # read now, so that all of the bundle is checked
    return bundle


def own_vector_frac(bundle: Judged, item_ids: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of items whose vector in the index is nearest to their own text, encoded anew, of all these texts.

    Falls to nothing when ids are shuffled, towers swapped, or a shard stands in the wrong place; holds
    for coarse codes, whose vectors are only roughly those that were encoded.
    """
    rows = find(item_ids, bundle.item_ids)
    if (lists := parts_of(bundle.index).ivf) is not None:
        lists.make_direct_map()
    fresh = encode_items(bundle.towers, list(wanted))
    stored = np.zeros_like(fresh)
    stored[rows >= 0] = bundle.index.reconstruct_batch(rows[rows >= 0])
    stored /= np.maximum(np.linalg.norm(stored, axis=1, keepdims=True), 1e-12)
    near = stored @ fresh.T
    own = near.diagonal()
    mine = (own >= LEAST_OWN_COSINE) & (own >= near.max(axis=1) - DUPLICATE_COSINE)
    return float(mine.mean())
