"""The loss of a whole batch and its gradient, tile by tile: B x C scores never stand in memory at once.

A batch has B pairs and C columns: its items, each once, whichever pairs and lists they come from, with
the weight that their number gives them. Equal items as one column of double weight have the same loss
and gradient as two columns, and cost half.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.losses import Objective, summed

CELLS = {"cpu": 1 << 22, "cuda": 1 << 26}  # scores of one tile: 16 MiB, 256 MiB
Rows = NDArray[np.int64]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Columns:
    """What the queries of a batch are compared with.

    positive [B]: each pair's own column. easy, hard [C]: weight of a column as an in-batch or uniform
    negative, and as anybody's hard negative. offset [B]: added to the pair's own score (logQ). known:
    (row, column) of the known positives among the columns, by row. own [B, H]: columns of each query's
    hard negatives where nobody else's count, of weight own_weight [B, H], 0 for a known positive.
    """

    positive: Rows
    easy: Weights
    hard: Weights
    offset: Weights
    known: tuple[Rows, Rows]
    own: Rows
    own_weight: Weights

    def transposed(self) -> Columns:
        """The same pairs seen from the items: row b is the item of pair b, column b its query."""
        size = len(self.positive)
        order = np.argsort(self.known[1], kind="stable")
        query, column = self.known[0][order], self.known[1][order]
        start = np.searchsorted(column, self.positive)
        count = np.searchsorted(column, self.positive, side="right") - start
        ends = np.cumsum(count)
        item = np.repeat(np.arange(size), count)
        known = item, query[np.arange(len(item)) + np.repeat(start - ends + count, count)]
        ones, none = np.ones(size, np.float32), np.zeros((size, 0), np.float32)
        return Columns(np.arange(size), ones, 0 * ones, 0 * ones, known, none.astype(np.int64), none)


def backward(
    objective: Objective, anchors: Tensor, vectors: Tensor, columns: Columns, first: int, log_scale: Tensor
) -> tuple[float, float]:
    """Sum and pool of the losses of some rows; the sum's gradient is added to the leaves' `grad`.

    anchors [R, D]: rows first <= row < first + R of the batch. vectors [C, D]. Both leaves, unit norm,
    fp32. log_scale: the logarithm of 1 / temperature.
    """
    cells = CELLS.get(vectors.device.type, CELLS["cpu"])
    step = max(1, cells // max(1, len(vectors)))
    total = pool = 0.0
    for start in range(0, len(anchors), step):
        part = anchors[start : start + step]
        scores = _Tile(objective, part, vectors, columns, first + start, log_scale)
        loss, weight = scores.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        total, pool = total + float(loss.detach()), pool + float(weight)
    return total, pool


class _Tile:
    """Scores of some rows against all columns."""

    def __init__(
        self, objective: Objective, anchors: Tensor, vectors: Tensor, columns: Columns, first: int, log_scale: Tensor
    ) -> None:
        self.objective, self.vectors, self.columns = objective, vectors, columns
        self.rows = slice(first, first + len(anchors))
        self.scaled = anchors if objective.kind == "triplet" else anchors * log_scale.exp()
        self.own = self._of(columns.positive[self.rows])
        offset = self._of(columns.offset[self.rows])
        # not vectors[own]: threads would add up its gradient in an order of their own
        items = vectors.index_select(0, self.own)
        self.positive = (self.scaled * items).sum(dim=1) + offset
        # the terms of softmax are weighed by adding a logarithm, which the product does for nothing
        self.adds = objective.kind == "softmax"

    def loss(self) -> tuple[Tensor, Tensor]:
        """Sum of the rows' losses, and their pool."""
        if self.objective.hardest:
            parts = [self._hardest(), self._all(self.columns.hard)]
        else:
            parts = [self._all(self.columns.easy + self.columns.hard)]
        if self.columns.own.shape[1]:
            parts.append(self._own_hard())
        if self.adds:
            terms = torch.cat([part[0] for part in parts], dim=1) if parts[1:] else parts[0][0]
            return summed(self.objective, terms, self.positive, parts[0][1])
        sums = [summed(self.objective, terms, self.positive, weight) for terms, weight in parts]
        return torch.stack([one for one, _ in sums]).sum(), torch.stack([n for _, n in sums]).sum()

    def _all(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """Terms [r, C] and their weights [C]."""
        weight = self._of(weights)
        bias = weight.log() if self.adds else torch.zeros_like(weight)
        terms = torch.addmm(bias, self.scaled, self.vectors.T)
        found = slice(*np.searchsorted(self.columns.known[0], [self.rows.start, self.rows.stop]))
        row, column = (self._of(side[found]) for side in self.columns.known)
        terms[row - self.rows.start, column] = -inf
        here = torch.arange(len(terms), device=terms.device)
        terms[here, self.own] = self.positive if self.adds else -inf
        return terms, weight

    def _hardest(self) -> tuple[Tensor, Tensor]:
        """The nearest of the easy negatives: terms [r, k] and their weights [r, k]."""
        terms, weight = self._all(self.columns.easy)
        here = torch.arange(len(terms), device=terms.device)
        nearness = terms.detach().masked_fill(weight == 0, -inf)
        if self.adds:  # by score alone, not by how often the item stands in the batch
            nearness = nearness - weight.log().nan_to_num(neginf=0.0)
        nearness[here, self.own] = -inf
        top = nearness.topk(min(self.objective.hardest, nearness.shape[1]), dim=1)
        terms = terms.gather(1, top.indices).masked_fill(top.values == -inf, -inf)
        return terms, weight[top.indices]

    def _own_hard(self) -> tuple[Tensor, Tensor]:
        """Each query's own hard negatives: terms [r, H] and their weights [r, H]."""
        weight = self._of(self.columns.own_weight[self.rows])
        own = self._of(self.columns.own[self.rows])
        near = self.vectors.index_select(0, own.flatten()).view(*own.shape, -1)
        terms = torch.einsum("rd,rhd->rh", self.scaled, near)
        terms = terms.masked_fill(weight == 0, -inf)
        return (terms + weight.log() if self.adds else terms), weight

    def _of(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self.vectors.device)
