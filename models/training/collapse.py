"""Whether vectors still tell texts apart: a collapsed space has a falling loss and finds nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_COSINE, LEAST_RANK = 0.95, 2.0
_SAMPLE = 1024


@dataclass(frozen=True)
class Spread:
    """mean_cosine: over all pairs of vectors. effective_rank: how many directions are in use, exp of the
    entropy of the normalised singular values (Roy and Vetterli 2007)."""

    mean_cosine: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        """Nearly one point, or nearly one line."""
        return self.mean_cosine > MOST_COSINE or self.effective_rank < LEAST_RANK


def spread(vectors: Tensor) -> Spread:
    """Spread of unit vectors [n >= 2, D], of the first 1,024 of them."""
    some = vectors.detach()[:_SAMPLE].double()
    count = len(some)
    together = float(some.sum(dim=0).square().sum())
    values = torch.linalg.svdvals(some)
    share = values / values.sum()
    entropy = -torch.special.xlogy(share, share).sum()
    return Spread((together - count) / (count * (count - 1)), float(entropy.exp()))
