"""The neural ranker: numbers and frozen tower vectors of a list in, one score an item out; MLP or self-attention.

Numbers are squashed (signed log), standardised and, where they are unknown, replaced by the mean and flagged. The text
side reads the towers' vectors as [q, i, q * i, |q - i|]. Blocks of self-attention let an item see the others of its
list; without positions, so the order of a list is no input.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

READS = ("both", "numbers", "vectors")
MOST_SIGMAS = 5.0


@dataclass(frozen=True)
class NeuralConfig:
    """Shape of a neural ranker. features: numbers of an item; dim: of the towers' vectors. reads: both, numbers, vectors.

    layers: of the MLP behind the joined inputs. blocks: of self-attention. levels: grades of the ordinal loss.
    """

    features: int
    dim: int
    reads: str = "both"
    hidden: int = 64
    layers: int = 2
    blocks: int = 1
    heads: int = 4
    dropout: float = 0.1
    levels: int = 4

    def __post_init__(self) -> None:
        if self.reads not in READS:
            raise ValueError(f"reads={self.reads}: expected one of {', '.join(READS)}")
        if self.hidden % self.heads:
            raise ValueError(f"hidden={self.hidden}: not a multiple of heads={self.heads}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class Inputs(NamedTuple):
    """Padded lists: numbers [B, L, F] with NaN where unknown, queries [B, D], items [B, L, D], mask [B, L]."""

    numbers: Tensor
    queries: Tensor
    items: Tensor
    mask: Tensor


class Attention(nn.Module):
    """Self-attention over the items of a list, then a small MLP, each with a residual and a norm before it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, lists: Tensor, mask: Tensor) -> Tensor:
        """Lists [B, L, H] and mask [B, L] to lists."""
        batch, length, width = lists.shape
        parts = self.qkv(self.norm(lists)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        lists = lists + self.dropout(self.out(seen.transpose(1, 2).reshape(batch, length, width)))
        moved: Tensor = self.dropout(self.narrow(torch.relu(self.widen(self.norm_after(lists)))))
        return lists + moved


class NeuralRanker(nn.Module):
    """Scores of the items of a list. mean, scale [F]: of the squashed numbers; thresholds: of the ordinal loss."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.numbers = nn.Linear(2 * config.features, config.hidden) if config.reads != "vectors" else None
        self.vectors = nn.Linear(4 * config.dim, config.hidden) if config.reads != "numbers" else None
        self.layers = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(config.layers))
        self.blocks = nn.ModuleList(
            Attention(config.hidden, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.score = nn.Linear(config.hidden, 1)
        self.thresholds = nn.Parameter(torch.linspace(-1, 1, config.levels - 1))
        self.dropout = nn.Dropout(config.dropout)

    def standardise(self, sample: Tensor) -> None:
        """Take mean and spread of the numbers from a sample of rows [n, F]."""
        squashed = squash(sample.double())
        known = ~squashed.isnan()
        count = known.sum(0).clamp(min=1)
        mean = squashed.nan_to_num().sum(0) / count
        spread = (((squashed - mean).nan_to_num() ** 2).sum(0) / count).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), torch.zeros_like(spread)))

    def forward(self, lists: Inputs) -> Tensor:
        """Scores [B, L]; those of padding mean nothing."""
        joined = torch.zeros((*lists.mask.shape, self.config.hidden), device=lists.mask.device)
        if self.numbers is not None:
            joined = joined + self.numbers(self._prepared(lists.numbers))
        if self.vectors is not None:
            query = lists.queries[:, None, :].expand_as(lists.items)
            pairs = (query, lists.items, query * lists.items, (query - lists.items).abs())
            joined = joined + self.vectors(torch.cat(pairs, dim=2))
        joined = torch.relu(joined)
        for layer in self.layers:
            joined = joined + self.dropout(torch.relu(layer(joined)))
        for block in self.blocks:
            joined = block(joined, lists.mask)
        scores: Tensor = self.score(joined).squeeze(2)
        return scores

    def _prepared(self, numbers: Tensor) -> Tensor:
        unknown = numbers.isnan()
        scaled = ((squash(numbers) - self.mean) * self.scale).clamp(-MOST_SIGMAS, MOST_SIGMAS)
        return torch.cat([scaled.masked_fill(unknown, 0.0), unknown.to(scaled.dtype)], dim=2)


def squash(numbers: Tensor) -> Tensor:
    """Signed logarithm: counts and prices have long tails."""
    return numbers.sign() * numbers.abs().log1p()


def score_list(
    model: NeuralRanker, numbers: NDArray[np.float32], query: NDArray[np.float32], items: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores [n] of one list by torch: numbers [n, F], query [D], items [n, D]."""
    model.eval()
    with torch.no_grad():
        given = [torch.from_numpy(np.ascontiguousarray(part, np.float32))[None] for part in (numbers, query, items)]
        lists = Inputs(given[0], given[1], given[2], torch.ones(1, len(numbers), dtype=torch.bool))
        scores: NDArray[np.float32] = model(lists)[0].numpy()
    return scores
