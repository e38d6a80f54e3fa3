"""Searching one FAISS index from many threads: what a search is told goes with the call, not into the index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from models.fusion import Ranked

_faiss: Any = faiss  # its stubs know neither these classes nor their keywords

# nprobe: inverted lists visited; k_factor: times k candidates that a refining index compares again;
# efSearch: of a graph, be it the index itself or the one over the lists' centroids
SETTINGS = ("nprobe", "k_factor", "efSearch")


def search_with(
    index: faiss.Index, queries: NDArray[np.float32], depth: int, settings: Mapping[str, float]
) -> Ranked:
    """Items and scores [Q, depth] by inner product; of what settings leave out the index's own holds.

    Raises:
        ValueError: a setting is none of SETTINGS.
    """
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    scores, items = index.search(wanted, depth, params=parameters(index, settings))
    return Ranked(items.astype(np.int64), np.where(items < 0, -np.inf, scores).astype(np.float32))


def parameters(index: faiss.Index, settings: Mapping[str, float]) -> Any:
    """FAISS's own object for these settings, nested as the index is; None where it heeds none of them."""
    if strange := settings.keys() - set(SETTINGS):
        raise ValueError(
            f"search settings {sorted(strange)}: expected some of {', '.join(SETTINGS)}"
        )
    return _nested(index, settings) if settings else None


def _nested(index: Any, settings: Mapping[str, float]) -> Any:
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return _faiss.SearchParametersPreTransform(index_params=_nested(index.index, settings))
    if isinstance(index, faiss.IndexRefine):
        # left out, a factor would be FAISS's default and not the index's own
        factor = float(settings.get("k_factor", index.k_factor))
        inner = _nested(index.base_index, settings)
        return _faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)
    if isinstance(index, faiss.IndexIVF):
        probes = int(settings.get("nprobe", index.nprobe))
        return _faiss.SearchParametersIVF(
            nprobe=min(probes, index.nlist), quantizer_params=_nested(index.quantizer, settings)
        )
    if isinstance(index, faiss.IndexHNSW):
        return _faiss.SearchParametersHNSW(
            efSearch=int(settings.get("efSearch", index.hnsw.efSearch))
        )
    return None
