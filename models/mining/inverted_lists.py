"""Inverted lists searched list by list: each list is read once for all queries that visit it.

Lists may lie in a file: memory is that of one list and of the candidates kept, however large the
catalogue. A query first visits its nearest lists, which bound its last rank's score from below; then
every list whose centroid scores at least that bound less a slack. The slack is measured: it is the
least with which queries that were also searched exactly find the share of their items asked for.

Why not faiss.contrib.big_batch_search: it has no such bound, so the number of lists a query visits must be
tuned by searching. 100,000 x 128, 5,000 queries, depth 200, agreement .95, one core, CPU seconds: ours 0.5 to
build, 0.2 for the slack, 1.7 to 2.0 to search; theirs (method pairwise_distances, the fastest of three) 0.4 to
build, 3.4 to tune nprobe on the same 512 queries, 1.9 to search, with all vectors in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from models.ann.exact import Found, Rows, Slices, Vectors
from models.ann.train import spherical_kmeans

_TRAINING_PER_LIST, _ITERATIONS = 20, 3
_SEED_DEPTHS = 4  # items looked at for the bound, in units of depth
_ROWS_AT_ONCE = 512  # of a partition: what one core's cache holds


def n_lists(items: int, queries: int) -> int:
    """About 2.5 * sqrt(N), fewer for few queries, because building lists must not cost more than it saves."""
    return max(1, min(int(2.5 * np.sqrt(items)), queries // 12, items // 32, 65_536))


@dataclass(frozen=True)
class InvertedLists:
    """centroids [L, D]; list i holds vectors[offsets[i]:offsets[i + 1]]; order [N]: their rows in the
    catalogue."""

    centroids: Vectors
    offsets: Rows
    order: Rows
    vectors: Slices

    def of(self, rows: Rows) -> Rows:
        """List of each row of the catalogue."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(self.order))
        return np.searchsorted(self.offsets, place[rows], side="right") - 1


def centroids_of(sample: Vectors, count: int, seed: int) -> Vectors:
    """Centroids [L, D] of unit norm, by a short k-means over a sample of items."""
    return spherical_kmeans(sample, count, seed, _ITERATIONS, _TRAINING_PER_LIST)


def sample_rows(items: int, count: int, seed: int) -> Rows:
    """Rows of the items that k-means learns from, ascending."""
    wanted = min(items, count * _TRAINING_PER_LIST)
    return np.sort(np.random.default_rng(seed).choice(items, wanted, replace=False))


def assign(centroids: Vectors, vectors: Vectors) -> NDArray[np.int32]:
    """List [N] of each vector: its nearest centroid."""
    near = faiss.knn(vectors, centroids, 1, metric=faiss.METRIC_INNER_PRODUCT)[1]
    lists: NDArray[np.int32] = near[:, 0].astype(np.int32)
    return lists


def layout(labels: NDArray[np.int32], centroids: Vectors) -> tuple[Vectors, Rows, Rows]:
    """Centroids, offsets and order of InvertedLists. A list much longer than the others is cut into
    several with the same centroid, so that no list costs much memory."""
    order = np.argsort(labels, kind="stable")
    longest = max(256, 2 * len(labels) // len(centroids))
    cuts = -(-np.bincount(labels, minlength=len(centroids)) // longest)
    start = np.searchsorted(labels[order], np.arange(len(centroids)))
    which = np.repeat(np.arange(len(centroids)), cuts)
    part = np.arange(len(which)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    offsets = np.concatenate([start[which] + part * longest, [len(labels)]])
    return centroids[which], offsets.astype(np.int64), order


def search_lists(lists: InvertedLists, queries: Vectors, depth: int, slack: float) -> Found:
    """Scores and rows [Q, depth], best first, of the items in the lists that each query visits.

    Every score is exact. Memory is Q * (depth + the longest list) candidates, and Q * L scores of
    centroids: give queries in blocks.
    """
    near = queries @ lists.centroids.T
    first = _first_lists(lists, near, depth)
    kept = _Candidates(len(queries), depth, int(np.diff(lists.offsets).max(initial=0)))
    _visit(lists, queries, first, kept)
    more = near >= (kept.bound() - slack)[:, None]
    _visit(lists, queries, more & ~first, kept)
    scores, places = kept.best()
    rows = np.where(places < 0, -1, lists.order[places])
    return scores, rows


def slack_for(lists: InvertedLists, queries: Vectors, exact: Rows, depth: int, target: float) -> float:
    """The least slack with which the target share of the exact items lies in visited lists.

    exact [S, K]: rows that exact search found at the ranks wanted, none beyond depth, for these
    queries, a sample of those to be searched.
    """
    near = queries @ lists.centroids.T
    first = _first_lists(lists, near, depth)
    kept = _Candidates(len(queries), depth, int(np.diff(lists.offsets).max(initial=0)))
    _visit(lists, queries, first, kept)
    home = lists.of(exact.clip(min=0))
    needed = kept.bound()[:, None] - np.take_along_axis(near, home, axis=1)
    needed[np.take_along_axis(first, home, axis=1)] = -np.inf
    needed = np.sort(needed[exact >= 0])
    last = needed[min(len(needed) - 1, int(np.ceil(target * len(needed))))] if len(needed) else 0.0
    return float(max(0.0, np.nextafter(np.float32(last), np.float32(np.inf))))


def _first_lists(lists: InvertedLists, near: Vectors, depth: int) -> NDArray[np.bool_]:
    """[Q, L]: each query's nearest lists that together hold some times `depth` items."""
    length = np.diff(lists.offsets)
    few = min(near.shape[1], 8 + int(2 * _SEED_DEPTHS * depth / max(1.0, length.mean())))
    ahead = np.argpartition(-near, few - 1, axis=1)[:, :few]
    order = np.argsort(-np.take_along_axis(near, ahead, axis=1), axis=1)
    ahead = np.take_along_axis(ahead, order, axis=1)
    before = np.cumsum(length[ahead], axis=1) - length[ahead]
    first = np.zeros(near.shape, np.bool_)
    np.put_along_axis(first, ahead, before < _SEED_DEPTHS * depth, axis=1)
    return first


def _visit(lists: InvertedLists, queries: Vectors, visits: NDArray[np.bool_], kept: _Candidates) -> None:
    """Compare each list with the queries that visit it, and keep the best candidates."""
    which, query = np.nonzero(visits.T)
    at = np.searchsorted(which, np.arange(len(lists.centroids) + 1))
    query_vectors = torch.from_numpy(np.ascontiguousarray(queries))
    for number in np.flatnonzero(np.diff(at)).tolist():
        start, stop = int(lists.offsets[number]), int(lists.offsets[number + 1])
        rows = query[at[number] : at[number + 1]]
        items = torch.from_numpy(np.ascontiguousarray(lists.vectors[start:stop]))
        kept.add(rows, (query_vectors[torch.from_numpy(rows)] @ items.T).numpy(), start)


class _Candidates:
    """Best candidates so far of each query: a buffer that is cut back to `depth` when it is full."""

    def __init__(self, queries: int, depth: int, longest: int) -> None:
        self.depth, self.width = depth, (_SEED_DEPTHS + 3) * depth + longest
        self.scores = np.full((queries, self.width), -np.inf, np.float32)
        self.places = np.full((queries, self.width), -1, np.int64)
        self.count = np.zeros(queries, np.int64)
        self.least = np.full(queries, -np.inf, np.float32)

    def add(self, rows: Rows, scores: Vectors, start: int) -> None:
        """Take the items that beat the bound, of scores [R, n] of the queries `rows` with places start..start+n."""
        n = scores.shape[1]
        hit = np.flatnonzero(scores > self.least[rows, None])
        row, column = hit // n, hit % n
        counts = np.bincount(row, minlength=len(rows))
        full = rows[self.count[rows] + counts > self.width]
        if len(full):
            self._cut(full)
        query = rows[row]
        at = self.count[query] + np.arange(len(hit)) - (np.cumsum(counts) - counts)[row]
        self.scores[query, at] = scores.reshape(-1)[hit]
        self.places[query, at] = start + column
        self.count[rows] += counts

    def _cut(self, rows: Rows) -> None:
        """Keep the best `depth` of these queries; the last of them is their new bound."""
        wide = max(self.depth, int(self.count[rows].max(initial=0)))
        scores, places = self.scores[rows, :wide], self.places[rows, :wide]
        best = np.argpartition(-scores, self.depth - 1, axis=1)[:, : self.depth]
        places = np.take_along_axis(places, best, axis=1)
        scores = np.take_along_axis(scores, best, axis=1)
        self.scores[rows, :wide], self.places[rows, :wide] = -np.inf, -1
        self.scores[rows, : self.depth], self.places[rows, : self.depth] = scores, places
        self.count[rows] = np.minimum(self.count[rows], self.depth)
        self.least[rows] = scores.min(axis=1)

    def bound(self) -> Vectors:
        """[Q]: least score of an item among the best `depth` of those seen."""
        last = max(self.depth, int(self.count.max(initial=0))) - self.depth
        for start in range(0, len(self.count), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            scores = self.scores[block, : last + self.depth]
            self.least[block] = np.partition(scores, last, axis=1)[:, last]
        return self.least

    def best(self) -> Found:
        """Scores and places [Q, depth], best first."""
        width = max(self.depth, int(self.count.max(initial=0)))
        scores, order = torch.from_numpy(self.scores[:, :width]).topk(self.depth, dim=1)
        return scores.numpy(), np.take_along_axis(self.places[:, :width], order.numpy(), axis=1)
