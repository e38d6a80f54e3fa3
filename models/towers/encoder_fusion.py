"""How a tower joins its two encoders: a weight for each, from what the encoders say of this text."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDTH = 64  # of the attention's hidden layer


class Gate(nn.Module):
    """One linear layer over both vectors, hence over what each says given the other."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2 * dim))  # even at the start
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        both = torch.cat([shallow, deep], dim=1)
        return torch.softmax(functional.linear(both, self.weight, self.bias), dim=1)


class Sum(Gate):
    """One pair of weights for all texts, learned."""

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        return torch.softmax(self.bias, dim=0).expand(len(shallow), 2)


class Attention(nn.Module):
    """Each encoder's vector alone gives its score: a small layer, then a learned context vector.

    Liu et al. 2021, Que2Search, 3.2; the form of the scores is that of Yang et al. 2016, 2.2.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.look = nn.Parameter(torch.randn(2, dim, _WIDTH))  # unit vectors in, variance 1 out
        self.context = nn.Parameter(torch.zeros(2, _WIDTH))  # even at the start
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        seen = torch.tanh(torch.bmm(torch.stack([shallow, deep]), self.look))
        scores = torch.bmm(seen, self.context.unsqueeze(2)).squeeze(2).T
        return torch.softmax(scores + self.bias, dim=1)


JOINS: dict[str, type[Gate | Attention]] = {"gate": Gate, "attention": Attention, "sum": Sum}
