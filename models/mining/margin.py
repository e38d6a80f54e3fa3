"""Positive-aware mining: what scores like a known positive, or above it, is likely right itself.

NV-Retriever (arXiv 2407.15831) has both kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.ann.exact import Vectors

MARGINS = ("off", "absolute", "relative")


@dataclass(frozen=True)
class Margin:
    """What a candidate may score at most, s being the score of the query's best known positive.

    absolute: s - size. relative: s - size * |s|; s * (1 - size) would lie above a negative s.
    """

    kind: str = "off"
    size: float = 0.05

    def __post_init__(self) -> None:
        if self.kind not in MARGINS or not 0 <= self.size <= 2:
            raise ValueError(f"margin={self.kind!r} of {self.size}: expected one of {', '.join(MARGINS)}, 0 to 2")

    def most(self, positive: Vectors) -> Vectors:
        """[Q]: the highest score allowed; infinity where there is no limit. positive [Q], NaN: none."""
        size = self.size * (np.abs(positive) if self.kind == "relative" else 1.0)
        most = np.inf if self.kind == "off" else positive - size
        return np.where(np.isnan(positive), np.inf, most).astype(np.float32)
