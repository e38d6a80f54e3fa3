"""Lists spread over clusters: by hand, against a plain loop, and the choice on a front."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ann.fit_spread import fit_spread, nearest_cluster, train_clusters
from models.ann.spread import spread
from models.fusion.ranked_lists import Ranked
from models.training.batches import Known


def ranked(rows: list[list[int]]) -> Ranked:
    items = np.array(rows, np.int64)
    scores = np.tile(np.linspace(1, 0.1, items.shape[1], dtype=np.float32), (len(items), 1))
    return Ranked(items, np.where(items < 0, -np.inf, scores).astype(np.float32))


def plain(items: list[int], clusters: list[int], nearest: int) -> list[int]:
    """The first M clusters of the list, ceil(K / M) items of each."""
    most = -(-len(items) // nearest)
    seen: list[int] = []
    kept: list[int] = []
    for item in items:
        if item < 0:
            continue
        if clusters[item] not in seen:
            seen.append(clusters[item])
        if clusters[item] in seen[:nearest] and sum(clusters[i] == clusters[item] for i in kept) < most:
            kept.append(item)
    return kept + [-1] * (len(items) - len(kept))


def test_by_hand() -> None:
    """Six places, two clusters of three: the fourth item of cluster 7 and the item of a third cluster go."""
    clusters = np.array([7, 7, 2, 7, 7, 5], np.int32)
    given_list = ranked([[0, 1, 2, 3, 4, 5]])
    found = spread(given_list, clusters, 2)
    assert found.items.tolist() == [[0, 1, 2, 3, -1, -1]]
    assert found.scores[0, :4].tolist() == given_list.scores[0, :4].tolist()
    assert np.isneginf(found.scores[0, 4:]).all()
    assert spread(given_list, clusters, 3).items.tolist() == [[0, 1, 2, 5, -1, -1]]


def test_one_cluster_is_plain_nearest_neighbours() -> None:
    lists = ranked([[3, 1, 2, -1], [0, 2, 1, 3]])
    assert spread(lists, np.array([0, 0, 1, 1], np.int32), 1) is lists


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_it_is_the_plain_loop(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 12))
    clusters = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    rows = [data.draw(st.permutations(range(n))) for _ in range(3)]
    ends = [data.draw(st.integers(0, n)) for _ in range(3)]
    rows = [[*row[:end], *[-1] * (n - end)] for row, end in zip(rows, ends, strict=True)]
    nearest = data.draw(st.integers(2, 6))
    found = spread(ranked(rows), np.array(clusters, np.int32), nearest)
    assert found.items.tolist() == [plain(row, clusters, nearest) for row in rows]


def test_the_front_falls_and_the_choice_loses_little() -> None:
    """Two kinds of queries: half find what they want in one cluster, half in the tail behind it."""
    rng = np.random.default_rng(0)
    n, depth = 400, 200
    clusters = np.repeat(np.arange(20), 20).astype(np.int32)
    category = clusters.astype(np.int64)
    lists = np.stack([np.concatenate([20 * (q % 20) + rng.permutation(20), rng.permutation(n)]) for q in range(40)])
    lists = np.stack([list(dict.fromkeys(row.tolist()))[:depth] for row in lists])
    wanted = lists[:, :3]  # the first three of the list: they survive any limit of three or more
    known = Known(np.repeat(np.arange(40), 3), wanted.ravel(), 40)
    fit = fit_spread(ranked(lists.tolist()), clusters, category, known)
    rows = {row["nearest"]: row for row in fit.front}
    assert rows[1]["category"] == 1.0 and rows[1]["R@60"] == 1.0
    concentrations = [row["category"] for row in fit.front]
    assert concentrations == sorted(concentrations, reverse=True)
    assert rows[64]["R@60"] == 1.0 and rows[128]["R@60"] < 0.99  # ceil(200 / 128) is two
    assert fit.nearest == 64


def test_clusters_are_those_of_the_vectors() -> None:
    rng = np.random.default_rng(1)
    axes = np.eye(4, 8, dtype=np.float32)
    vectors = np.repeat(axes, 50, axis=0) + 0.05 * rng.normal(size=(200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = nearest_cluster(vectors, train_clusters(vectors, 4, 0)).reshape(4, 50)
    assert (labels == labels[:, :1]).all() and len(set(labels[:, 0].tolist())) == 4
