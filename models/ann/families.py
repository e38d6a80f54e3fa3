"""Families of FAISS indexes: factory strings for a catalogue's size, untrained indexes, and the parts of an index.

An index has up to three parts: a rotation of the vectors (OPQ, RR), the base that is searched (inverted lists, a graph,
or a flat index), and finer codes that re-rank the base's results (Refine).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

FLAT_BELOW = 10_000
GRAPH_BELOW = 5_000_000  # above, a graph over the items needs too much memory
GRAPH_COARSE_FROM = 32_768  # lists from which a graph over the centroids is faster than comparing with all
MAX_LISTS = 65_536
_DIMS = (64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024)
USUAL_DIMS = (*_DIMS, *(dim + 4 for dim in _DIMS))  # plain, and with four numbers of the item
IP = faiss.METRIC_INNER_PRODUCT

# FAISS searches these codes fastest in a packed form, which cannot be filled or merged list by list (FastScan ignores
# ids, and gives wrong results when it is filled by list). They stay plain until the index is complete.
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
        raise ValueError(f"{items} items of {dim} dimensions: expected at least one of each")
    if items < FLAT_BELOW:
        return ["Flat"]
    half = dim // 2  # a byte for four dimensions
    codes = ["SQ8", "SQbf16", "RaBitQ4"]
    if dim % 2 == 0:
        codes += [f"PQ{half}x4fs,Refine(SQ8)", f"PQ{half}x4fs,Refine(SQfp16)"]
    factories = [ivf(lists_for(items, times), code) for code in [*codes, "RaBitQ,Refine(SQ8)"]]
    return [*factories, "HNSW32,SQ8"] if items < GRAPH_BELOW else factories


def scaled(factory: str, items: int, times: float) -> str:
    """The same family for another number of items."""
    lists = lists_for(items, times)
    return re.sub(r"IVF\d+(_HNSW\d+)?,(.*)", lambda match: ivf(lists, match[2]), factory)


@dataclass(frozen=True)
class IndexParts:
    """The parts of an index; `whole` keeps the others alive. A part that the index does not have is None."""

    whole: faiss.Index
    refine: faiss.IndexFlatCodes | None
    rotation: faiss.IndexPreTransform | None
    base: faiss.Index

    @property
    def ivf(self) -> faiss.IndexIVF | None:
        """The base where it has inverted lists, else None."""
        return self.base if isinstance(self.base, faiss.IndexIVF) else None


def parts(index: faiss.Index) -> IndexParts:
    """The parts of an index."""
    base, refine, rotation = faiss.downcast_index(index), None, None
    if isinstance(base, faiss.IndexRefine):
        refine = faiss.downcast_index(base.refine_index)
        base = faiss.downcast_index(base.base_index)
    if isinstance(base, faiss.IndexPreTransform):
        rotation, base = base, faiss.downcast_index(base.index)
    return IndexParts(index, refine, rotation, base)


def rotated(index_parts: IndexParts, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [n, D] after every rotation of the chain, which is how the base stores them."""
    if index_parts.rotation is None:
        return vectors
    for number in range(index_parts.rotation.chain.size()):
        vectors = faiss.downcast_VectorTransform(index_parts.rotation.chain.at(number)).apply(vectors)
    return vectors


def check_factory(factory: str) -> None:
    """Refuse a factory string that FAISS cannot read, whatever the dimension of the vectors; `auto` passes.

    Raises:
        ValueError: it reads it for no usual dimension.
    """
    refusals = []
    for dim in USUAL_DIMS if factory != "auto" else ():
        try:
            blank(factory, dim)
        except ValueError as error:
            refusals.append(str(error))
        else:
            return
    if refusals:
        raise ValueError(f"{refusals[0]}; expected one such as IVF4096,SQ8, or auto")


def blank(factory: str, dim: int) -> faiss.Index:
    """An untrained index, with codes in the plain form of `plain`.

    Raises:
        ValueError: FAISS does not know the factory string, or it has a part for another metric.
    """
    try:
        index = faiss.index_factory(dim, plain(factory), IP)
    except RuntimeError as error:
        raise ValueError(f"factory={factory}: {str(error).rpartition(': ')[2]}") from None
    index_parts = parts(index)
    # a part with another metric costs most of the recall, and FAISS reports no error
    coarse = [faiss.downcast_index(index_parts.ivf.quantizer)] if index_parts.ivf is not None else []
    refine = [index_parts.refine] if index_parts.refine is not None else []
    if any(part.metric_type != IP for part in [index, index_parts.base, *coarse, *refine]):
        raise ValueError(f"factory={factory}: a part of it does not compare inner products")
    packed = _PACKED.search(factory)
    if packed is not None and packed["codes"] and index_parts.ivf is not None:
        index_parts.ivf.by_residual = bool(packed["residual"])
    return index


def plain(factory: str) -> str:
    """The factory string in which codes can be filled and merged list by list."""
    return _PACKED.sub(lambda match: f"PQ{match['codes']}np" if match["codes"] else f"RaBitQ{match['bits']}", factory)


def packed(index: faiss.Index, factory: str) -> faiss.Index:
    """A filled index in the form that is searched: codes are packed where the factory string says so."""
    if plain(factory) == factory:
        return index
    index_parts = parts(index)
    is_pq = isinstance(index_parts.base, faiss.IndexIVFPQ)
    fast = (faiss.IndexIVFPQFastScan if is_pq else faiss.IndexIVFRaBitQFastScan)(index_parts.base)
    index_parts.base.reset()  # `fast` holds its codes now
    if index_parts.rotation is not None:
        index_parts.rotation.index, index_parts.rotation.own_fields = fast, False
        index_parts.rotation.referenced_objects = [fast, index_parts.base]
        fast = index_parts.rotation
    whole = fast if index_parts.refine is None else faiss.IndexRefine(fast, index_parts.refine)
    # the plain index still owns the coarse quantiser, the rotation and the finer codes: it must live as long
    whole.referenced_objects = [fast, index] if whole is not fast else [index]
    return whole
