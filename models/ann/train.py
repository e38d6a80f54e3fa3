"""Training of an empty index: centroids, code books and rotations from a seeded sample."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.families import IndexParts, blank, parts

TRAINING_PER_LIST = 64
Vectors = NDArray[np.float32]
# fraction added to each side of the training range: unseen vectors then have a cosine of .9998 with their codes, not .993
_WIDER = 0.2
# with OPQ's own defaults training takes more than minutes at 100,000 vectors
_OPQ = {"niter": 8, "niter_pq": 2, "niter_pq_0": 8, "max_train_points": 1 << 14}


def sample_size(factory: str, dim: int) -> int:
    """Number of vectors for training: 64 a list, and at least 65,536 for code books and ranges."""
    ivf = parts(blank(factory, dim)).ivf
    return max(1 << 16, TRAINING_PER_LIST * int(ivf.nlist) if ivf is not None else 0)


def train(
    sample: Vectors, factory: str, seed: int = 0, centroids: Vectors | None = None, gpu: bool = False
) -> faiss.Index:
    """An empty index, trained on the sample [S, D].

    centroids [L, D]: of an index with the same number of lists, used instead of k-means. gpu: run k-means on all GPUs, where
    the installed FAISS supports it.

    Raises:
        ValueError: fewer vectors than lists, or an unknown factory string.
    """
    index = blank(factory, sample.shape[1])
    index_parts = parts(index)
    ivf, rotation = index_parts.ivf, index_parts.rotation
    if rotation is not None:
        _bound_rotation(rotation)
    _widen(index_parts)
    if ivf is not None:
        if len(sample) < ivf.nlist:
            raise ValueError(f"factory={factory}: {len(sample):,} vectors for {ivf.nlist:,} lists")
        ivf.cp.seed = seed + 1
        # centroids of unit norm: a shorter one has smaller inner products and would attract no vector
        ivf.cp.spherical = True
        ivf.cp.max_points_per_centroid = TRAINING_PER_LIST
        ivf.cp.min_points_per_centroid = 1
        if gpu and faiss.get_num_gpus():
            ivf.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(ivf.d))
        if centroids is not None and rotation is None:
            ivf.quantizer.train(centroids)
            ivf.quantizer.add(centroids)  # FAISS then skips k-means
    index.train(np.ascontiguousarray(sample, np.float32))
    if ivf is not None:
        ivf.clustering_index = None
    return index


def spherical_kmeans(sample: Vectors, count: int, seed: int, iterations: int, most_per_centroid: int) -> Vectors:
    """Centroids [count, D] of unit norm, from at most some vectors for each."""
    learner = faiss.Clustering(sample.shape[1], count)
    learner.niter, learner.spherical, learner.seed = iterations, True, seed + 1
    learner.min_points_per_centroid, learner.max_points_per_centroid = 1, most_per_centroid
    index = faiss.IndexFlatIP(sample.shape[1])
    learner.train(np.ascontiguousarray(sample, np.float32), index)
    centroids: Vectors = index.reconstruct_n(0, count)
    return centroids


def centroids_of(index: faiss.Index) -> Vectors | None:
    """Centroids [L, D] of an index with lists and without rotation, else None."""
    index_parts = parts(index)
    ivf = index_parts.ivf
    if ivf is None or index_parts.rotation is not None:
        return None
    centroids: Vectors = ivf.quantizer.reconstruct_n(0, ivf.nlist)
    return centroids


def _widen(index_parts: IndexParts) -> None:
    """Widen the range of scalar codes: values outside are clipped, and a later item may lie outside the sample's range."""
    base = index_parts.base
    store = base.storage if isinstance(base, faiss.IndexHNSW) else base
    for coded in (store, index_parts.refine):
        part = faiss.downcast_index(coded) if coded is not None else None
        if part is not None and hasattr(part, "sq"):
            part.sq.rangestat = faiss.ScalarQuantizer.RS_minmax
            part.sq.rangestat_arg = _WIDER


def _bound_rotation(rotation: faiss.IndexPreTransform) -> None:
    for number in range(rotation.chain.size()):
        step = faiss.downcast_VectorTransform(rotation.chain.at(number))
        if isinstance(step, faiss.OPQMatrix):
            for name, value in _OPQ.items():
                setattr(step, name, value)
