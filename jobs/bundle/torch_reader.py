"""A bundle for evaluation: the bundle that a service opens, with torch as its encoder and the item tower beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from jobs.bundle.files import QUERY_TOWER, read_parts
from jobs.bundle.query_encoder import open_encoder
from jobs.bundle.reader import Bundle
from jobs.bundle.tower_files import check_golden, load_towers
from jobs.lake.arrow import find
from jobs.lake.read import Pinned
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TwoTower

# codes of a few bits keep about 0.8 of a vector's direction; the text of another item shares almost none of it
LEAST_OWN_COSINE = 0.5
# near-duplicates among the items: a code may be as near to the other item's text
DUPLICATE_COSINE = 0.02


@dataclass(frozen=True)
class TorchBundle(Bundle):
    """A bundle whose queries torch encodes, many at a time. It can encode items too."""

    towers: TwoTower

    def as_served(self) -> Bundle:
        """The same index with the encoder that a service has; a bundle without one is served by torch."""
        if not self.pinned.has(QUERY_TOWER):
            return self
        return Bundle(self.pinned, open_encoder(self.pinned), self.index, self.item_ids, self.titles, self.facts)


def load_bundle(pinned: Pinned) -> TorchBundle:
    """Load a bundle, and refuse it unless all its parts belong together; see `jobs.bundle.reader.open_bundle`.

    Here the space id is computed from the weights themselves, and golden items are encoded too.

    Raises:
        RuntimeError: a file is damaged, or towers, index, ids and facts do not fit each other.
    """
    files = read_parts(pinned)
    towers = load_towers(pinned)
    check_golden(towers, pinned)
    bundle = TorchBundle(pinned, partial(encode_queries, towers), **files, towers=towers)
    if bundle.has_sparse:
        _ = bundle.sparse  # read now, so that the whole bundle is checked
    return bundle


def own_vector_frac(bundle: TorchBundle, item_ids: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of items whose vector in the index is nearest to their own text, encoded anew, of all these texts.

    It falls to about 0 when ids are shuffled, towers swapped, or a shard is in the wrong place. It holds
    for coarse codes, whose vectors are only approximately those that were encoded.
    """
    rows = find(item_ids, bundle.item_ids)
    fresh = encode_items(bundle.towers, list(wanted))
    stored = np.zeros_like(fresh)
    stored[rows >= 0] = bundle.item_vectors(rows[rows >= 0])
    stored /= np.maximum(np.linalg.norm(stored, axis=1, keepdims=True), 1e-12)
    near = stored @ fresh.T
    own = near.diagonal()
    mine = (own >= LEAST_OWN_COSINE) & (own >= near.max(axis=1) - DUPLICATE_COSINE)
    return float(mine.mean())
