"""Clusters of the catalogue's vectors, from which a bundle spreads its lists; and the category of each item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.bundle.files import CLUSTERS_FILE
from jobs.embeddings.read_shards import batches
from jobs.index.tune import sample_vectors
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Rows, Strings, find, large
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from models.ann.fit_spread import nearest_cluster, train_clusters

TRAINED_ON = 64  # vectors of a cluster


def write_clusters(count: int, shards: list[Pinned], ids: Strings, seed: int, out: Attempt) -> NDArray[np.int32] | None:
    """Write the cluster of each item, in the order of ids; None where no clusters are wanted.

    K-means on a sample; then one batch of vectors is in memory at a time.
    """
    if not count:
        return None
    centroids = train_clusters(sample_vectors(shards, TRAINED_ON * count, seed)[1], count, seed)
    clusters = np.zeros(len(ids), np.int32)
    for names, vectors in batches(shards):
        clusters[find(names, ids)] = nearest_cluster(vectors, centroids)
    save_array(out.folder / CLUSTERS_FILE, clusters)
    return clusters


def category_codes(items: Pinned, ids: Strings) -> Rows:
    """A number [N] for the category of each id; -1 for none."""
    rows = read_table(items, ["item_id", "category"])
    coded = large(rows.column("category").chunks).fill_null("").dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    code[code == int(find([""], coded.dictionary)[0])] = -1
    codes = np.full(len(ids), -1, np.int64)
    codes[find(large(rows.column("item_id").chunks), ids)] = code
    return codes
