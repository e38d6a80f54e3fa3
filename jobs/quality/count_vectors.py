"""Figures of vectors: components that are not finite, constant dimensions, and the directions they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DIRECTIONS = 4


@dataclass(frozen=True)
class VectorSums:
    """Sums over vectors of one dimension. Vectors of another dimension cannot be added; they are counted."""

    rows: int
    total: np.ndarray  # [D]
    squares: float
    low: np.ndarray  # [D]
    high: np.ndarray  # [D]
    not_finite: int
    other_dim: int

    @classmethod
    def of(cls, lists: Any) -> VectorSums:
        """Add up a column of lists, those of the first list's dimension."""
        lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        dim = int(sizes[0]) if len(sizes) else 0
        same = sizes == dim
        values = pc.list_flatten(lists.filter(pa.array(same))).to_numpy(zero_copy_only=False)
        vectors = values.astype(np.float32, copy=False).reshape(int(same.sum()), dim)
        finite = np.isfinite(vectors).all(axis=1)
        vectors = vectors if finite.all() else vectors[finite]
        if not vectors.size:
            empty = np.zeros(dim)
            return cls(0, empty, 0.0, empty, empty, int((~finite).sum()), int((~same).sum()))
        return cls(
            rows=len(vectors),
            total=vectors.sum(axis=0, dtype=np.float64),
            squares=float(np.einsum("nd,nd->", vectors, vectors, dtype=np.float64)),
            low=vectors.min(axis=0).astype(np.float64),
            high=vectors.max(axis=0).astype(np.float64),
            not_finite=int((~finite).sum()),
            other_dim=int((~same).sum()),
        )

    def joined(self, other: VectorSums | None) -> VectorSums:
        """Both together; of two dimensions, keep the one with more vectors."""
        if other is None:
            return self
        more, less = (self, other) if self.rows >= other.rows else (other, self)
        not_finite, other_dim = more.not_finite + less.not_finite, more.other_dim + less.other_dim
        if len(more.total) != len(less.total) or not less.rows:
            return replace(more, not_finite=not_finite, other_dim=other_dim + less.rows)
        return VectorSums(
            self.rows + other.rows,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            not_finite,
            other_dim,
        )

    def figures(self) -> dict[str, float]:
        """constant_dims, mean_cosine of all pairs (of unit vectors), not_finite, and the mean along fixed directions."""
        figures: dict[str, float] = {"not_finite": self.not_finite, "other_dim": self.other_dim}
        if not self.rows:
            return figures
        pairs = self.rows * (self.rows - 1)
        figures["constant_dims"] = int((self.low == self.high).sum()) if self.rows > 1 else 0
        # the sum over all ordered pairs of different vectors is |sum|^2 less the vectors' own squares
        figures["mean_cosine"] = (float(self.total @ self.total) - self.squares) / pairs if pairs else 0.0
        directions = np.random.default_rng(0).standard_normal((DIRECTIONS, len(self.total)))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        for number, along in enumerate(directions @ (self.total / self.rows)):
            figures[f"towards_{number}"] = float(along)
        return figures
