"""Exact search by inner product over a catalogue that is given piece by piece: one piece is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Protocol

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from models.ann.heads import search_heads

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Found = tuple[Vectors, Rows]
_PIECE_BYTES, _QUERIES_AT_ONCE = 1 << 25, 1 << 13
_FEW = 256  # FAISS handles fewer queries one by one; a matrix product is then faster


class Slices(Protocol):
    """Vectors [N, D] that are read by slice: an array, or a file larger than memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""

    def __getitem__(self, part: slice, /) -> Vectors:
        """Rows start to stop."""


def pieces(vectors: Slices, size: int = 0) -> Iterable[Vectors]:
    """All rows in order, `size` at a time; 0: pieces of 32 MB, which the allocator reuses without new pages from the system."""
    size = size or max(1, _PIECE_BYTES // (4 * max(1, vectors.shape[1])))
    return (vectors[start : start + size] for start in range(0, vectors.shape[0], size))


def nearest(queries: Vectors, chunks: Iterable[Vectors], depth: int, device: str | torch.device = "cpu") -> Found:
    """Scores and rows [Q, depth] of the best items, best first; rows count up across chunks.

    FAISS searches on the CPU, torch on other devices and for few queries. Where the catalogue is smaller than depth, the rest
    is row -1 with score -inf. Queries may have several heads (models.ann.heads).
    """
    given = iter(chunks)
    begin = list(islice(given, 1))
    dim = begin[0].shape[1] if begin else queries.shape[1]
    return search_heads(lambda part: _nearest(part, chain(begin, given), depth, device), queries, dim, depth)


def _nearest(queries: Vectors, chunks: Iterable[Vectors], depth: int, device: str | torch.device) -> Found:
    """`nearest` for queries of one head."""
    if torch.device(device).type != "cpu" or len(queries) < _FEW:
        return _nearest_torch(queries, chunks, depth, torch.device(device))
    best = faiss.ResultHeap(len(queries), depth, keep_max=True)
    first = 0
    for chunk in chunks:
        part = np.ascontiguousarray(chunk, np.float32)
        scores, rows = faiss.knn(queries, part, min(depth, len(part)), metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(scores, rows + first)
        first += len(part)
    best.finalize()
    return np.where(best.I < 0, -np.inf, best.D).astype(np.float32), best.I


def vector_hashes(vectors: Vectors) -> NDArray[np.uint64]:
    """A hash [n] of each vector [n, D]: equal ones have one, others share one with a chance of about 2^-50 a pair."""
    words = (np.asarray(vectors, np.float32) + np.float32(0)).view(np.uint32)  # -0.0 equals 0.0
    factors = np.random.default_rng(0).integers(0, 1 << 63, words.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    hashes: NDArray[np.uint64] = np.einsum("nd,d->n", words, factors)
    return hashes


def equal_numbers(hashes: Iterable[NDArray[np.uint64]]) -> Rows:
    """A number for each vector [N], by the hashes of all pieces in order: equal vectors have one."""
    numbers: Rows = np.unique(np.concatenate([*hashes, np.empty(0, np.uint64)]), return_inverse=True)[1].astype(
        np.int64
    )
    return numbers


def _nearest_torch(queries: Vectors, chunks: Iterable[Vectors], depth: int, device: torch.device) -> Found:
    """`nearest` by matrix products in fp32: a block of queries against a chunk of items at a time."""
    asked = torch.from_numpy(np.ascontiguousarray(queries)).to(device)
    scores = torch.full((len(asked), depth), -torch.inf, device=device)
    rows = torch.full((len(asked), depth), -1, dtype=torch.int64, device=device)
    first = 0
    for chunk in chunks:
        part = torch.from_numpy(np.ascontiguousarray(chunk, np.float32)).to(device)
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            some = slice(start, start + _QUERIES_AT_ONCE)
            near, row = (asked[some] @ part.T).topk(min(depth, len(part)), dim=1)
            near = torch.cat([scores[some], near], dim=1)
            row = torch.cat([rows[some], row + first], dim=1)
            scores[some], place = near.topk(depth, dim=1)
            rows[some] = row.gather(1, place)
        first += len(part)
    return scores.cpu().numpy(), rows.cpu().numpy()
