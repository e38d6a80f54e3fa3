"""Vectors as towers make them: clustered unit vectors, and queries that lie off their distribution."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
DIM = 32


def unit(rows: Vectors) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def items(count: int, seed: int = 1, dim: int = DIM, shift: float = 0.0) -> Vectors:
    """Clusters of unequal size; shift moves them all one way, as a drifting catalogue does."""
    centres = np.random.default_rng(0).standard_normal((60, dim)) + shift
    rng = np.random.default_rng(seed)
    share = np.random.default_rng(0).dirichlet(np.full(60, 0.7))
    chosen = centres[rng.choice(60, count, p=share)]
    return unit(chosen + 0.6 * rng.standard_normal((count, dim)))


def queries(count: int, seed: int = 2, dim: int = DIM) -> Vectors:
    return unit(items(count, seed, dim) + 0.4 * np.random.default_rng(seed).standard_normal(dim) / np.sqrt(dim))


def brute(asked: Vectors, sold: Vectors, depth: int) -> NDArray[np.int64]:
    """Exact rows by plain numpy."""
    return np.argsort(-(asked @ sold.T), axis=1, kind="stable")[:, :depth]
