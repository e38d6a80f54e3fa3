"""Search in an index: settings by name go with the call, not into the index, so that threads may share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.heads import search_heads
from models.fusion.ranked_lists import Ranked

# nprobe: inverted lists visited; k_factor: candidates, in times k, that finer codes rank again; efSearch: items
# that a graph visits
SETTINGS = ("nprobe", "k_factor", "efSearch")
Settings = Mapping[str, float]
LEAST_EF = 32


def ask(index: faiss.Index, queries: NDArray[np.float32], depth: int, settings: Settings | None = None) -> Ranked:
    """Items and scores [Q, depth], best first; item -1 with score -inf past the end of a list.

    Queries may have several heads (models.ann.heads). A setting that is left out is the index's own.

    Raises:
        ValueError: a setting is none of SETTINGS.
    """
    chosen = parameters(index, settings or {})

    def search(part: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = index.search(part, depth, params=chosen)
        return found

    scores, items = search_heads(search, np.ascontiguousarray(queries, np.float32), index.d, depth)
    return Ranked(items.astype(np.int64), np.where(items < 0, -np.inf, scores).astype(np.float32))


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS on one thread, as in an online service; an index is no better for using more."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def parameters(index: faiss.Index, settings: Settings) -> Any:
    """FAISS's own object for these settings, nested like the index; None without settings."""
    if unknown := settings.keys() - set(SETTINGS):
        raise ValueError(f"search settings {sorted(unknown)}: expected some of {', '.join(SETTINGS)}")
    return _nested(faiss.downcast_index(index), settings) if settings else None


def _nested(index: Any, settings: Settings) -> Any:
    if isinstance(index, faiss.IndexRefine):
        # left out, a factor would be FAISS's default and not the index's own
        factor = float(settings.get("k_factor", index.k_factor))
        inner = _nested(faiss.downcast_index(index.base_index), settings)
        return faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)
    if isinstance(index, faiss.IndexPreTransform):
        inner = _nested(faiss.downcast_index(index.index), settings)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexIVF):
        nprobe = min(int(settings.get("nprobe", index.nprobe)), int(index.nlist))
        coarse = faiss.downcast_index(index.quantizer)
        if isinstance(coarse, faiss.IndexHNSW):
            graph = faiss.SearchParametersHNSW(efSearch=_ef(nprobe))
            return faiss.SearchParametersIVF(nprobe=nprobe, quantizer_params=graph)
        return faiss.SearchParametersIVF(nprobe=nprobe)
    if isinstance(index, faiss.IndexHNSW):
        ef = int(settings.get("efSearch", index.hnsw.efSearch))
        return faiss.SearchParametersHNSW(efSearch=ef)
    return None


def settle(index: faiss.Index, settings: Settings) -> None:
    """Make settings the index's own: a search without settings uses them."""
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        inner.k_factor = float(settings.get("k_factor", inner.k_factor))
        settle(inner.base_index, settings)
    elif isinstance(inner, faiss.IndexPreTransform):
        settle(inner.index, settings)
    elif isinstance(inner, faiss.IndexIVF):
        inner.nprobe = int(settings.get("nprobe", inner.nprobe))
        coarse = faiss.downcast_index(inner.quantizer)
        if isinstance(coarse, faiss.IndexHNSW):
            coarse.hnsw.efSearch = _ef(inner.nprobe)
    elif isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efSearch = int(settings.get("efSearch", inner.hnsw.efSearch))


def _ef(nprobe: int) -> int:
    """Centroids that the coarse graph visits: it finds no more lists than that."""
    return max(LEAST_EF, 2 * nprobe)
