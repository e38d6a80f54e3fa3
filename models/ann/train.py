"""What an index learns before it is filled: centroids, code books, rotations; from a seeded sample."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.families import Parts, blank, parts

TRAINING_PER_LIST = 64
Vectors = NDArray[np.float32]
# of the range seen, on each side: unseen vectors then keep a cosine of .9998 with their codes, not .993
_WIDER = 0.2
# OPQ's own defaults do not end within minutes at 100,000 vectors
_OPQ = {"niter": 8, "niter_pq": 2, "niter_pq_0": 8, "max_train_points": 1 << 14}


def sample_size(factory: str, dim: int) -> int:
    """Vectors that training wants: 64 a list, and enough for code books and ranges."""
    ivf = parts(blank(factory, dim)).ivf
    return max(1 << 16, TRAINING_PER_LIST * int(ivf.nlist) if ivf is not None else 0)


def train(
    sample: Vectors, factory: str, seed: int = 0, centroids: Vectors | None = None, gpu: bool = False
) -> faiss.Index:
    """An empty index that has learnt from the sample [S, D].

    centroids [L, D]: of an index with as many lists that was trained before; they are taken over.
    gpu: k-means compares on all GPUs, where the installed FAISS has them.

    Raises:
        ValueError: fewer vectors than lists, or an unknown factory string.
    """
    index = blank(factory, sample.shape[1])
    found = parts(index)
    if found.rotation is not None:
        _bound_rotation(found.rotation)
    _widen(found)
    if found.ivf is not None:
        ivf = found.ivf
        if len(sample) < ivf.nlist:
            raise ValueError(f"factory={factory}: {len(sample):,} vectors for {ivf.nlist:,} lists")
        ivf.cp.seed = seed + 1
        # centroids of unit vectors that are unit vectors themselves, or short ones attract nobody
        ivf.cp.spherical = True
        ivf.cp.max_points_per_centroid = TRAINING_PER_LIST
        ivf.cp.min_points_per_centroid = 1
        if gpu and faiss.get_num_gpus():
            ivf.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(ivf.d))
        if centroids is not None and found.rotation is None:
            ivf.quantizer.train(centroids)
            ivf.quantizer.add(centroids)  # FAISS then leaves them as they are
    index.train(np.ascontiguousarray(sample, np.float32))
    if found.ivf is not None:
        found.ivf.clustering_index = None
    return index


def centroids_of(index: faiss.Index) -> Vectors | None:
    """Centroids [L, D] of an index without rotation; None where it has no lists."""
    found = parts(index)
    if found.ivf is None or found.rotation is not None:
        return None
    centroids: Vectors = found.ivf.quantizer.reconstruct_n(0, found.ivf.nlist)
    return centroids


def _widen(found: Parts) -> None:
    """Scalar codes reach beyond the sample: what lies outside is clipped, and an item of tomorrow may."""
    store = found.base.storage if isinstance(found.base, faiss.IndexHNSW) else found.base
    for one in (store, found.refine):
        part = faiss.downcast_index(one) if one is not None else None
        if part is not None and hasattr(part, "sq"):
            part.sq.rangestat = faiss.ScalarQuantizer.RS_minmax
            part.sq.rangestat_arg = _WIDER


def _bound_rotation(rotation: faiss.IndexPreTransform) -> None:
    for number in range(rotation.chain.size()):
        one = faiss.downcast_VectorTransform(rotation.chain.at(number))
        if isinstance(one, faiss.OPQMatrix):
            for name, value in _OPQ.items():
                setattr(one, name, value)
