"""Search by inverted lists against exact search: scores exact, agreement as asked for, memory bounded."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from models.ann.exact import nearest, pieces
from models.evaluation.recall import overlap
from models.mining import inverted_lists as lists
from models.mining.inverted_lists import InvertedLists


def clustered(rows: int, seed: int, dim: int = 16) -> np.ndarray:
    """Unit vectors around 40 centres."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((40, dim))
    rng = np.random.default_rng(seed)
    found = centres[rng.integers(0, 40, rows)] + 1.5 * rng.standard_normal((rows, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def made(vectors: np.ndarray, count: int) -> InvertedLists:
    centroids = lists.centroids_of(vectors[lists.sample_rows(len(vectors), count, 0)], count, 0)
    centroids, offsets, order = lists.layout(lists.assign(centroids, vectors), centroids)
    return InvertedLists(centroids, offsets, order, vectors[order])


@pytest.fixture(scope="module")
def shop() -> tuple[np.ndarray, np.ndarray, InvertedLists]:
    vectors = clustered(6000, 1)
    return vectors, clustered(300, 2), made(vectors, 60)


def test_every_list_visited_is_exact_search(shop: tuple[np.ndarray, np.ndarray, InvertedLists]) -> None:
    vectors, queries, found = shop
    scores, rows = lists.search_lists(found, queries, 50, slack=9.0)
    exact_scores, exact = nearest(queries, pieces(vectors), 50)
    assert overlap(rows, exact) > 0.9999  # ties may swap at the end
    assert np.allclose(scores, exact_scores, atol=1e-6)


@pytest.mark.parametrize("target", [0.8, 0.95, 0.99])
def test_the_slack_gives_the_agreement_asked_for_at_a_part_of_the_work(
    shop: tuple[np.ndarray, np.ndarray, InvertedLists], target: float
) -> None:
    vectors, queries, found = shop
    exact = nearest(queries, pieces(vectors), 50)[1]
    slack = lists.slack_for(found, queries[::2], exact[::2, 10:], 50, target)
    _, rows = lists.search_lists(found, queries, 50, slack)
    # of the sample itself, and of queries that the slack was not measured on
    assert overlap(rows[::2], exact[::2, 10:]) >= target - 0.005
    assert overlap(rows[1::2], exact[1::2, 10:]) >= target - 0.03
    scores = queries @ found.centroids.T
    assert overlap(lists.search_lists(found, queries, 50, -9.0)[1], exact) < 0.95
    assert (scores >= scores.max(axis=1, keepdims=True) - slack).mean() < 0.9


def test_scores_are_exact_and_ordered(shop: tuple[np.ndarray, np.ndarray, InvertedLists]) -> None:
    vectors, queries, found = shop
    scores, rows = lists.search_lists(found, queries, 20, 0.1)
    assert np.allclose(scores, np.einsum("qd,qkd->qk", queries, vectors[rows]), atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == 20 for row in rows.tolist())


def test_a_long_list_is_cut_and_nothing_is_lost() -> None:
    vectors = clustered(4000, 3)
    vectors[:3000] = vectors[0] + 1e-4 * clustered(3000, 4)  # three quarters in one place
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = made(vectors, 10)
    assert np.diff(found.offsets).max() <= 800 == 2 * 4000 // 10
    assert found.offsets[0] == 0
    assert sorted(found.order.tolist()) == list(range(4000))
    rows = np.arange(0, 4000, 7)
    place = found.of(rows)
    start, stop = found.offsets[place], found.offsets[place + 1]
    where = np.argsort(found.order)[rows]
    assert ((start <= where) & (where < stop)).all()
    exact = nearest(clustered(50, 5), pieces(vectors), 30)[1]
    assert overlap(lists.search_lists(found, clustered(50, 5), 30, 9.0)[1], exact) > 0.99


def test_a_catalogue_smaller_than_the_depth() -> None:
    vectors = clustered(30, 6)
    scores, rows = lists.search_lists(made(vectors, 2), clustered(4, 7), 50, 9.0)
    assert all(sorted(row[:30]) == list(range(30)) for row in rows.tolist())
    assert (rows[:, 30:] == -1).all()
    assert np.isneginf(scores[:, 30:]).all()


def test_memory_follows_lists_and_queries_not_the_catalogue() -> None:
    """The lists stand in a file as far as the search knows: what it allocates is measured."""

    class File:
        def __init__(self, vectors: np.ndarray) -> None:
            self.vectors, self.shape = vectors, vectors.shape

        def __getitem__(self, part: slice) -> np.ndarray:
            return self.vectors[part].copy()

    queries, peaks = clustered(200, 8), []
    for size in (8_000, 32_000):
        found = made(clustered(size, 9), size // 100)
        filed = InvertedLists(found.centroids, found.offsets, found.order, File(found.vectors))
        tracemalloc.start()
        lists.search_lists(filed, queries, 40, 0.05)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # four times the catalogue, 1.5 MB more vectors; what grows is a score per list
    assert peaks[1] < peaks[0] + 200 * (320 - 80) * 32
