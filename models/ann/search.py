"""How an index is asked: settings by name -> FAISS's search parameters, for one call and safe between threads."""

from __future__ import annotations

from collections.abc import Mapping

import faiss

Settings = Mapping[str, float]
LEAST_EF = 32


def parameters(index: faiss.Index, settings: Settings) -> faiss.SearchParameters | None:
    """Search parameters of a call: nprobe, k_factor, efSearch, each where the index has it.

    None where nothing is to be set.
    """
    found = faiss.downcast_index(index)
    if isinstance(found, faiss.IndexRefine):
        return faiss.IndexRefineSearchParameters(
            k_factor=float(settings.get("k_factor", 1.0)),
            base_index_params=parameters(found.base_index, settings),
        )
    if isinstance(found, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=parameters(found.index, settings))
    if isinstance(found, faiss.IndexIVF):
        nprobe = int(settings.get("nprobe", found.nprobe))
        coarse = faiss.downcast_index(found.quantizer)
        if isinstance(coarse, faiss.IndexHNSW):
            graph = faiss.SearchParametersHNSW(efSearch=max(LEAST_EF, 2 * nprobe))
            return faiss.SearchParametersIVF(nprobe=nprobe, quantizer_params=graph)
        return faiss.SearchParametersIVF(nprobe=nprobe)
    if isinstance(found, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=int(settings.get("efSearch", 64)))
    return None


def settle(index: faiss.Index, settings: Settings) -> None:
    """Make settings the index's own: who searches it without any gets these."""
    found = faiss.downcast_index(index)
    if isinstance(found, faiss.IndexRefine):
        found.k_factor = float(settings.get("k_factor", 1.0))
        settle(found.base_index, settings)
    elif isinstance(found, faiss.IndexPreTransform):
        settle(found.index, settings)
    elif isinstance(found, faiss.IndexIVF):
        found.nprobe = int(settings.get("nprobe", found.nprobe))
        coarse = faiss.downcast_index(found.quantizer)
        if isinstance(coarse, faiss.IndexHNSW):
            coarse.hnsw.efSearch = max(LEAST_EF, 2 * found.nprobe)
    elif isinstance(found, faiss.IndexHNSW):
        found.hnsw.efSearch = int(settings.get("efSearch", 64))
