"""Vectors -> codes and inverted lists, as plain arrays -> a filled FAISS index.

Shards are merged and a day's changes are applied in these arrays, sorted by list, because FAISS's own ways (merge_from,
remove_ids, add_with_ids) renumber items, accept a shard twice, or cannot delete.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows, Vectors, nearest
from models.ann.families import IndexParts, packed, parts, rotated

Bytes = NDArray[np.uint8]
COARSE_EF = 64  # 99.98% of vectors then get the same list as by comparison with all centroids
_BLOCK = 65_536


@dataclass(frozen=True)
class Codes:
    """lists [n] int32; codes [n, C] and refine [n, R] as bytes, R = 0 without a finer code."""

    lists: NDArray[np.int32]
    codes: Bytes
    refine: Bytes


@dataclass(frozen=True)
class ListBlock:
    """Entries of some lists, in order of (list, row): lists [n], rows [n], codes [n, C]."""

    lists: NDArray[np.int64]
    rows: Rows
    codes: Bytes


def widths(index: faiss.Index) -> tuple[int, int]:
    """Bytes of an item's code and of its finer code; 0 for an index without finer codes."""
    index_parts = parts(index)
    refine = int(index_parts.refine.code_size) if index_parts.refine is not None else 0
    return int(_store(index_parts).code_size), refine


def lists_of(index: faiss.Index) -> int:
    """Number of inverted lists; 1 for an index without lists."""
    ivf = parts(index).ivf
    return int(ivf.nlist) if ivf is not None else 1


def imbalance(counts: NDArray[np.int64]) -> float:
    """L * sum(n_i^2) / N^2 of lists with n_i items each: 1 where all are equally long."""
    n = counts.astype(np.float64)
    return float(len(n) * (n**2).sum() / max(1.0, n.sum()) ** 2)


def encode(index: faiss.Index, vectors: Vectors, device: str = "cpu") -> Codes:
    """Code vectors [n, D] with a trained index; on a GPU torch finds the nearest centroids."""
    index_parts = parts(index)
    given = np.ascontiguousarray(vectors, np.float32)
    refine = (
        index_parts.refine.sa_encode(given) if index_parts.refine is not None else np.zeros((len(given), 0), np.uint8)
    )
    given = rotated(index_parts, given)
    if index_parts.ivf is None:
        return Codes(np.zeros(len(given), np.int32), _store(index_parts).sa_encode(given), refine)
    near = assign(index_parts.ivf, given, device)
    codes = np.zeros((len(given), index_parts.ivf.code_size), np.uint8)
    # the arrays keep a name until FAISS is done: a temporary array would be freed, and garbage stored
    pointers = [faiss.swig_ptr(array) for array in (given, near, codes)]
    index_parts.ivf.encode_vectors(len(given), *pointers, False)
    return Codes(near.astype(np.int32), codes, refine)


def assign(ivf: faiss.IndexIVF, vectors: Vectors, device: str = "cpu") -> Rows:
    """Number of the nearest list [n] of each vector."""
    coarse = faiss.downcast_index(ivf.quantizer)
    if device != "cpu":
        return nearest(vectors, [coarse.reconstruct_n(0, ivf.nlist)], 1, device)[1][:, 0].copy()
    if isinstance(coarse, faiss.IndexHNSW):
        coarse.hnsw.efSearch = COARSE_EF
    return np.ascontiguousarray(coarse.search(vectors, 1)[1][:, 0])


def fill(
    trained: faiss.Index, factory: str, items: int, blocks: Iterable[ListBlock], refine: Iterable[Bytes]
) -> faiss.Index:
    """A searchable index in memory: blocks in order of list, finer codes in order of row.

    Raises:
        RuntimeError: the blocks do not hold every row from 0 to items once.
    """
    index = faiss.clone_index(trained)
    index_parts = parts(index)
    checked = each_row_once(blocks, items)
    if index_parts.ivf is not None:
        _fill_lists(index_parts.ivf, checked)
    else:
        _fill_store(index_parts, items, checked)
    set_items(index_parts, items, refine)
    return packed(index, factory)


def filled(trained: faiss.Index, factory: str, vectors: Vectors) -> tuple[faiss.Index, NDArray[np.int64]]:
    """An index over vectors [n, D] that are in memory, and the list [n] of each."""
    coded = [encode(trained, vectors[at : at + _BLOCK]) for at in range(0, len(vectors), _BLOCK)]
    lists = np.concatenate([part.lists for part in coded]).astype(np.int64)
    codes = np.concatenate([part.codes for part in coded])
    order = np.argsort(lists, kind="stable")
    refine = [part.refine for part in coded] if widths(trained)[1] else []
    blocks = [ListBlock(lists[order], order, codes[order])]
    return fill(trained, factory, len(vectors), blocks, refine), lists


def each_row_once(blocks: Iterable[ListBlock], items: int) -> Iterable[ListBlock]:
    """Pass the blocks on and check them.

    Raises:
        RuntimeError: the blocks do not hold every row from 0 to items once.
    """
    seen = np.zeros(items, np.bool_)
    count = 0
    for block in blocks:
        if len(block.rows) and not 0 <= block.rows.min() <= block.rows.max() < items:
            raise RuntimeError(f"row {block.rows.max():,} of {items:,} items: codes are damaged")
        seen[block.rows] = True
        count += len(block.rows)
        if count > items:
            break
        yield block
    if count != items or not seen.all():
        raise RuntimeError(
            f"{count:,} codes for {items:,} items, {items - int(seen.sum()):,} items without a code;"
            " expected each once: is a shard missing or given twice?"
        )


def set_items(index_parts: IndexParts, items: int, refine: Iterable[Bytes]) -> None:
    """Copy the finer codes into the index, and set the number of items in each of its parts."""
    if index_parts.refine is not None:
        _put(index_parts.refine, items, refine)
    for part in (index_parts.base, index_parts.rotation, index_parts.whole):
        if part is not None:
            part.ntotal = items


def _store(index_parts: IndexParts) -> faiss.Index:
    """The part that holds the base's codes."""
    if isinstance(index_parts.base, faiss.IndexHNSW):
        return faiss.downcast_index(index_parts.base.storage)
    return index_parts.base


def _fill_lists(ivf: faiss.IndexIVF, blocks: Iterable[ListBlock]) -> None:
    lists = faiss.ArrayInvertedLists(ivf.nlist, ivf.code_size)
    for block in blocks:
        rows, codes = (np.ascontiguousarray(array) for array in (block.rows, block.codes))
        starts = np.flatnonzero(np.diff(block.lists, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
            lists.add_entries(
                int(block.lists[start]),
                stop - start,
                faiss.swig_ptr(rows[start:stop]),
                faiss.swig_ptr(codes[start:stop]),
            )
    ivf.replace_invlists(lists, True)
    lists.this.disown()


def _fill_store(index_parts: IndexParts, items: int, blocks: Iterable[ListBlock]) -> None:
    """Fill an index without lists, in order of row: codes are copied; a graph is built from the decoded vectors."""
    if not isinstance(index_parts.base, faiss.IndexHNSW):
        _put(index_parts.base, items, (block.codes for block in blocks))
        return
    store = _store(index_parts)
    for block in blocks:
        for start in range(0, len(block.rows), _BLOCK):
            index_parts.base.add(store.sa_decode(np.ascontiguousarray(block.codes[start : start + _BLOCK])))


def _put(store: faiss.IndexFlatCodes, items: int, codes: Iterable[Bytes]) -> None:
    width = int(store.code_size)
    store.codes.resize(items * width)
    held = faiss.rev_swig_ptr(store.codes.data(), items * width).reshape(items, width)
    start = 0
    for part in codes:
        held[start : start + len(part)] = part
        start += len(part)
    if start != items:
        raise RuntimeError(f"{start:,} codes for {items:,} items: expected each once")
    store.ntotal = items
