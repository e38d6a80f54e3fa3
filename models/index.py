"""The FAISS index: chosen by size, built from checked vectors, tuned on real query vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from models.fusion import Ranked

FLAT_BELOW = 10_000
SCALAR_CODES_ABOVE = 200_000
GRAPH_COARSE_ABOVE = 5_000_000
MAX_LISTS = 65_536
TRAINING_PER_LIST = 64
# the norm of a unit vector kept in fp32, and of one that was rounded to fp16
NORM_TOLERANCE = 2e-3
EXACT_CHUNK = 65_536

Vectors = NDArray[np.float32]


def factory_for(n_items: int, dim: int) -> str:
    """Choose the FAISS factory string for a catalogue of this size.

    Flat below 10,000 items, then 4 * sqrt(N) inverted lists; a byte per dimension once fp32 weighs,
    a graph over the centroids once comparing with all of them costs more than scanning lists.

    Raises:
        ValueError: n_items or dim is not positive.
    """
    if n_items < 1 or dim < 1:
        raise ValueError(f"{n_items} items of {dim} dimensions: there is nothing to index")
    if n_items < FLAT_BELOW:
        return "Flat"
    lists = min(MAX_LISTS, int(4 * np.sqrt(n_items)))
    coarse = "_HNSW32" if n_items > GRAPH_COARSE_ABOVE else ""
    codes = "SQ8" if n_items > SCALAR_CODES_ABOVE else "Flat"
    return f"IVF{lists}{coarse},{codes}"


def check_vectors(vectors: Vectors, item_ids: Sequence[str]) -> None:
    """Refuse what FAISS would take in silence: it adds NaN and never finds it again.

    vectors [N, D], item_ids of length N.

    Raises:
        ValueError: lengths differ, an id repeats, a value is not finite, a norm is not 1.
    """
    if vectors.ndim != 2 or len(vectors) != len(item_ids):
        raise ValueError(f"{vectors.shape} vectors for {len(item_ids):,} ids: one vector per item")
    repeated = len(item_ids) - len(set(item_ids))
    if repeated:
        raise ValueError(f"{repeated:,} of {len(item_ids):,} item ids repeat; expected each once")
    for start in range(0, len(vectors), EXACT_CHUNK):
        part = vectors[start : start + EXACT_CHUNK]
        norms = np.linalg.norm(part.astype(np.float32), axis=1)
        # a NaN or an infinity fails the comparison too
        bad = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
        if len(bad):
            row = start + int(bad[0])
            raise ValueError(
                f"item {item_ids[row]!r}: its vector has norm {norms[bad[0]]:.4g}, expected 1"
                f" ({len(bad):,} such in rows {start:,} to {start + len(part):,});"
                " are the towers or the shard damaged?"
            )


def build(vectors: Vectors, factory: str, seed: int = 0) -> faiss.Index:
    """Train on a seeded sample and fill; position i of the index is vectors[i].

    The metric is the inner product, on the coarse quantiser too.
    """
    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    ivf = inverted_lists(index)
    if ivf is not None:
        if faiss.downcast_index(ivf.quantizer).metric_type != faiss.METRIC_INNER_PRODUCT:
            raise RuntimeError(f"{factory}: its coarse quantiser does not compare inner products")
        ivf.cp.seed = seed + 1
        # centroids of unit vectors that are unit vectors themselves, or short ones attract nobody
        ivf.cp.spherical = True
        ivf.cp.max_points_per_centroid = TRAINING_PER_LIST
        ivf.cp.min_points_per_centroid = 1
    index.train(_sample(vectors, ivf.nlist * TRAINING_PER_LIST if ivf else 1, seed))
    for start in range(0, len(vectors), EXACT_CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + EXACT_CHUNK], dtype=np.float32))
    return index


def _sample(vectors: Vectors, wanted: int, seed: int) -> Vectors:
    if wanted >= len(vectors):
        return np.ascontiguousarray(vectors, dtype=np.float32)
    rows = np.random.default_rng(seed).choice(len(vectors), wanted, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)], dtype=np.float32)


def inverted_lists(index: faiss.Index) -> faiss.IndexIVF | None:
    """Give the IVF part of an index, or None when it searches everything."""
    found: faiss.IndexIVF | None = faiss.try_extract_index_ivf(index)
    return found


def search(index: faiss.Index, queries: Vectors, depth: int, nprobe: int = 0) -> Ranked:
    """Search the index; nprobe 0 leaves its own setting. Returns items and scores [Q, depth].

    Another nprobe is set for this call only: not while other threads search the same index.
    """
    lists = inverted_lists(index) if nprobe else None
    tuned = lists.nprobe if lists is not None else 0
    try:
        if lists is not None:
            lists.nprobe = nprobe
        scores, items = index.search(np.ascontiguousarray(queries, dtype=np.float32), depth)
    finally:
        if lists is not None:
            lists.nprobe = tuned
    return Ranked(items.astype(np.int64), np.where(items < 0, -np.inf, scores).astype(np.float32))


def exact_search(chunks: Iterable[Vectors], queries: Vectors, depth: int) -> Ranked:
    """Rank everything by brute force, one chunk of vectors in memory at a time.

    Chunks follow each other in row order. Returns items and scores [Q, depth].
    """
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    best = Ranked(
        np.full((len(wanted), depth), -1, dtype=np.int64),
        np.full((len(wanted), depth), -np.inf, dtype=np.float32),
    )
    start = 0
    for chunk in chunks:
        found, near = faiss.knn(
            wanted,
            np.ascontiguousarray(chunk, dtype=np.float32),
            min(depth, len(chunk)),
            metric=faiss.METRIC_INNER_PRODUCT,
        )
        scores = np.hstack([best.scores, found])
        items = np.hstack([best.items, near.astype(np.int64) + start])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best = Ranked(
            np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1)
        )
        start += len(chunk)
    return best


def chunked(vectors: Vectors, size: int = EXACT_CHUNK) -> Iterable[Vectors]:
    """Cut an array, which may be memory-mapped, into pieces for exact_search."""
    return (vectors[start : start + size] for start in range(0, len(vectors), size))


def recall_against_exact(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact neighbours that were found, over all queries; both [Q, K]."""
    span = int(max(found.max(initial=0), exact.max(initial=0))) + 1
    rows = np.arange(len(exact), dtype=np.int64)[:, None] * span
    wanted = (rows + exact)[exact >= 0]
    return float(np.isin(wanted, (rows + found)[found >= 0]).mean()) if len(wanted) else 0.0


@dataclass(frozen=True)
class Tuning:
    """The chosen nprobe, its recall, and every (nprobe, recall) tried, in order of nprobe."""

    nprobe: int
    recall: float
    curve: list[tuple[int, float]]


def tune(index: faiss.Index, queries: Vectors, exact: NDArray[np.int64], target: float) -> Tuning:
    """Choose the least nprobe whose recall against exact search reaches the target.

    exact [Q, K]: rows of the true neighbours. nprobe doubles until the target is held, then the
    last octave is halved until it is known to the list. Queries must be real ones: they lie off the
    items' own distribution; tuned on items, an index promises a recall that no shopper sees.
    """
    ivf = inverted_lists(index)
    depth = exact.shape[1]
    if ivf is None:
        recall = recall_against_exact(search(index, queries, depth).items, exact)
        return Tuning(0, recall, [(0, recall)])
    curve: dict[int, float] = {}

    def reaches(nprobe: int) -> bool:
        found = search(index, queries, depth, nprobe).items
        curve[nprobe] = recall_against_exact(found, exact)
        return curve[nprobe] >= target

    high = 1
    while not reaches(high) and high < ivf.nlist:
        high = min(high * 2, int(ivf.nlist))
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    ivf.nprobe = high
    return Tuning(high, curve[high], sorted(curve.items()))
