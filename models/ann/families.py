"""Families of FAISS indexes: which suit a catalogue's size, and how one is made before it has learnt anything.

An index here has up to three parts: a rotation of vectors (OPQ, RR), the base that is searched (inverted
lists, a graph, or everything), and a finer code that ranks anew what the base found (Refine).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

FLAT_BELOW = 10_000
GRAPH_BELOW = 5_000_000  # above, a graph over the items costs more memory than it is worth
GRAPH_COARSE_FROM = 32_768  # lists from which a graph over the centroids beats comparing with all
MAX_LISTS = 65_536
IP = faiss.METRIC_INNER_PRODUCT

# Codes that FAISS searches fastest in a packed form, which cannot be filled or merged list by list. They
# are kept plain until the index is whole: FastScan ignores ids, and filled by list it answers wrongly.
_PACKED = re.compile(r"PQ(?P<codes>\d+x4)fs(?P<residual>r?)|RaBitQfs(?P<bits>\d?)")


def lists_for(items: int, times: float = 4.0) -> int:
    """Inverted lists for a catalogue of this size: times * sqrt(N), at most 65,536."""
    return max(1, min(MAX_LISTS, int(times * np.sqrt(items))))


def ivf(lists: int, codes: str) -> str:
    """Factory string of inverted lists; a graph finds the nearest centroids where they are many."""
    graph = "_HNSW32" if lists >= GRAPH_COARSE_FROM else ""
    return f"IVF{lists}{graph},{codes}"


def families(items: int, dim: int, times: float = 4.0) -> list[str]:
    """Factory strings worth trying for a catalogue of this size and dimension.

    Raises:
        ValueError: items or dim is not positive.
    """
    if items < 1 or dim < 1:
        raise ValueError(f"{items} items of {dim} dimensions: there is nothing to index")
    if items < FLAT_BELOW:
        return ["Flat"]
    half = dim // 2  # a byte for four dimensions
    found = ["SQ8", "SQbf16", "RaBitQ4"]
    if dim % 2 == 0:
        found += [f"PQ{half}x4fs,Refine(SQ8)", f"PQ{half}x4fs,Refine(SQfp16)"]
    found = [ivf(lists_for(items, times), codes) for codes in [*found, "RaBitQ,Refine(SQ8)"]]
    return [*found, "HNSW32,SQ8"] if items < GRAPH_BELOW else found


def scaled(factory: str, items: int, times: float) -> str:
    """The same family for another number of items."""
    lists = lists_for(items, times)
    return re.sub(r"IVF\d+(_HNSW\d+)?,(.*)", lambda found: ivf(lists, found[2]), factory)


@dataclass(frozen=True)
class Parts:
    """What an index is made of; whole keeps the others alive. Missing parts are None."""

    whole: faiss.Index
    refine: faiss.IndexFlatCodes | None
    rotation: faiss.IndexPreTransform | None
    base: faiss.Index

    @property
    def ivf(self) -> faiss.IndexIVF | None:
        """The base, where it has inverted lists."""
        return self.base if isinstance(self.base, faiss.IndexIVF) else None


def parts(index: faiss.Index) -> Parts:
    """Take an index apart."""
    found, refine, rotation = faiss.downcast_index(index), None, None
    if isinstance(found, faiss.IndexRefine):
        refine = faiss.downcast_index(found.refine_index)
        found = faiss.downcast_index(found.base_index)
    if isinstance(found, faiss.IndexPreTransform):
        rotation, found = found, faiss.downcast_index(found.index)
    return Parts(index, refine, rotation, found)


def rotated(found: Parts, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [n, D] as the base sees them: through every rotation of the chain, or as they are."""
    if found.rotation is None:
        return vectors
    for number in range(found.rotation.chain.size()):
        vectors = faiss.downcast_VectorTransform(found.rotation.chain.at(number)).apply(vectors)
    return vectors


def blank(factory: str, dim: int) -> faiss.Index:
    """An index that has learnt nothing yet, its codes in the plain form of `plain`.

    Raises:
        ValueError: FAISS does not know the factory string, or it has a part for another metric.
    """
    try:
        index = faiss.index_factory(dim, plain(factory), IP)
    except RuntimeError as error:
        raise ValueError(f"factory={factory}: {str(error).rpartition(': ')[2]}") from None
    found = parts(index)
    # a metric that one part has and another has not costs most of the recall, and nobody is told
    coarse = [faiss.downcast_index(found.ivf.quantizer)] if found.ivf is not None else []
    refine = [found.refine] if found.refine is not None else []
    if any(one.metric_type != IP for one in [index, found.base, *coarse, *refine]):
        raise ValueError(f"factory={factory}: a part of it does not compare inner products")
    packed = _PACKED.search(factory)
    if packed is not None and packed["codes"] and found.ivf is not None:
        found.ivf.by_residual = bool(packed["residual"])
    return index


def plain(factory: str) -> str:
    """The factory string in which codes can be filled and merged list by list."""
    return _PACKED.sub(lambda found: f"PQ{found['codes']}np" if found["codes"] else f"RaBitQ{found['bits']}", factory)


def packed(index: faiss.Index, factory: str) -> faiss.Index:
    """A filled index as it is searched: codes packed where the factory string says so."""
    if plain(factory) == factory:
        return index
    found = parts(index)
    is_pq = isinstance(found.base, faiss.IndexIVFPQ)
    fast = (faiss.IndexIVFPQFastScan if is_pq else faiss.IndexIVFRaBitQFastScan)(found.base)
    found.base.reset()  # its codes stand in `fast` now
    if found.rotation is not None:
        found.rotation.index, found.rotation.own_fields = fast, False
        found.rotation.referenced_objects = [fast, found.base]
        fast = found.rotation
    whole = fast if found.refine is None else faiss.IndexRefine(fast, found.refine)
    # quantiser, rotation and finer codes are still the plain index's: it must live as long
    whole.referenced_objects = [fast, index] if whole is not fast else [index]
    return whole
