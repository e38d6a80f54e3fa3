"""Exact search against brute force, on either engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.ann import exact as module
from models.ann.exact import nearest, pieces


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def by_torch(queries: np.ndarray, chunks: object, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The GPU's way, on the CPU."""
    return module._nearest_torch(queries, chunks, depth, torch.device("cpu"))  # type: ignore[arg-type]


def by_faiss(queries: np.ndarray, chunks: object, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The CPU's way for many queries."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_FEW", 0)
        return nearest(queries, chunks, depth)  # type: ignore[arg-type]


@pytest.mark.parametrize("search", [nearest, by_faiss, by_torch])
@pytest.mark.parametrize("chunk", [7, 50, 200])
def test_brute_force_over_all_chunks(search: object, chunk: int) -> None:
    queries, items = unit(9, 8, 0), unit(200, 8, 1)
    scores, rows = search(queries, pieces(items, chunk), 30)  # type: ignore[operator]
    expected = np.argsort(-(queries @ items.T), axis=1)[:, :30]
    assert rows.tolist() == expected.tolist()
    assert np.allclose(scores, np.take_along_axis(queries @ items.T, expected, axis=1), atol=1e-6)


@pytest.mark.parametrize("search", [nearest, by_faiss, by_torch])
def test_a_catalogue_smaller_than_the_depth(search: object) -> None:
    scores, rows = search(unit(2, 8, 0), iter([unit(3, 8, 1)]), 5)  # type: ignore[operator]
    assert sorted(rows[0].tolist()) == [-1, -1, 0, 1, 2]
    assert rows[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(scores[0, 3:]).all()


def test_blocks_of_queries_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUERIES_AT_ONCE", 4)
    queries, items = unit(9, 8, 0), unit(60, 8, 1)
    assert by_torch(queries, pieces(items, 25), 12)[1].tolist() == nearest(queries, pieces(items), 12)[1].tolist()
