"""Loss of a training step, over all processes, and its gradient, tile by tile.

One objective out of kinds, sources of negatives and corrections. Each kind compares a pair's score s(q, d+) with the
scores s(q, d) of its negatives d, of weight w:

- softmax: -log of the positive's share in exp(s / t), the negatives' terms times w. With in-batch items
  alone this is InfoNCE; the hard negatives of STAR are further terms.
- pairwise: log(1 + exp((s(q, d) - s(q, d+)) / t)), the mean over all pairs of the batch as one pool, by
  weight. STAR as its authors train it (Zhan et al. 2021, section 4.2).
- triplet: max(0, margin - s(q, d+) + s(q, d)), the same mean.

A known positive of a query, from all history, is never its negative, wherever it comes from.

A batch has B pairs and C columns: its items, each once, whichever pairs and lists they come from, with the weight
that their number gives them. Equal items as one column of double weight have the same loss and gradient as two
columns, and cost half. B x C scores are never in memory at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.training.batches import Rows
from models.training.distributed import ProcessGroup

TILE_SCORES = {"cpu": 1 << 22, "cuda": 1 << 26}  # 16 MiB, 256 MiB
Weights = NDArray[np.float32]
MIN_TEMPERATURE = 0.001
KINDS = ("softmax", "pairwise", "triplet")
HEAD_POOLINGS = ("softmax", "max")


@dataclass(frozen=True)
class Objective:
    """temperature: of softmax and pairwise; learnt when `learn_temperature`. margin: of triplet, in
    cosines. symmetric: items look for their queries too, half of the loss each. logq: an in-batch item
    counts 1 / (how much oftener than uniformly it is drawn), Yi et al. 2019, section 4. hardest: number of
    the nearest in-batch and uniform negatives that count (0: all).

    share_hard: other queries' listed negatives count too. in_batch, uniform, hard (mined), judged (labelled irrelevant)
    and unclicked: weights of the sources. head_pooling: score of a query of several heads: the best head's (max), or
    their mean weighted by a softmax over the heads.
    easy_per_hard: the weight of a query's easy negatives as a multiple of that of its hard ones
    (0: each negative has its own weight). hard_ramp_frac: share of all steps over which the
    weight of the hard ones rises from 0.
    """

    kind: str = "softmax"
    temperature: float = 0.05
    learn_temperature: bool = False
    margin: float = 0.1
    symmetric: bool = False
    logq: bool = False
    hardest: int = 0
    share_hard: bool = True
    in_batch: float = 1.0
    uniform: float = 1.0
    hard: float = 1.0
    easy_per_hard: float = 0.0
    hard_ramp_frac: float = 0.0
    judged: float = 1.0
    unclicked: float = 1.0
    head_pooling: str = "softmax"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"loss={self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.head_pooling not in HEAD_POOLINGS:
            raise ValueError(f"head_pooling={self.head_pooling!r}: expected one of {', '.join(HEAD_POOLINGS)}")
        if not MIN_TEMPERATURE <= self.temperature <= 1.0:
            raise ValueError(
                f"temperature={self.temperature}: expected {MIN_TEMPERATURE} to 1, usually 0.01 to 0.1; it is held there"
            )
        weights = self.in_batch, self.uniform, self.hard, self.judged, self.unclicked
        if min(*weights, self.easy_per_hard, self.hardest) < 0:
            raise ValueError(f"{self}: weights of negatives, easy_per_hard and hardest must be >= 0")
        if not 0.0 <= self.hard_ramp_frac <= 1.0 or not 0.0 < self.margin <= 2.0:
            raise ValueError(f"{self}: hard_ramp_frac must be 0 to 1, margin above 0 and at most 2")

    def hard_weight(self, easy: float, mined: float, progress: float) -> float:
        """Weight of one hard negative. easy: weight of a query's easy negatives; mined: number of its hard ones;
        progress: the share of all steps that is done."""
        weight = self.hard
        if self.easy_per_hard and mined:
            weight *= easy / (self.easy_per_hard * mined)
        if self.hard_ramp_frac:
            weight *= min(1.0, progress / self.hard_ramp_frac)
        return weight

    def list_weight(self, kind: str) -> float:
        """Weight of a negative from a list of this kind."""
        return {"judged": self.judged, "unclicked": self.unclicked}[kind]


def summed(objective: Objective, terms: Tensor, positive: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of r queries summed, in nats or for the triplet kind in cosines; and their pool.

    terms [r, M]: scores of the negatives (cosines over the temperature; for the triplet kind plain cosines), -inf where an item is no negative of the query. positive [r]: the pairs' own scores. The
    loss is the sum over all queries of the batch divided by the sum of their pools.

    For softmax the terms already hold the logarithm of their weights, and one of each row is the
    positive itself, so that a query without any negative has loss 0. The other kinds take weight [M] or
    [r, M].
    """
    if objective.kind == "softmax":
        return (terms.logsumexp(dim=1) - positive).sum(), positive.new_tensor(len(positive))
    pool = _weighed((terms > -inf).to(terms.dtype), weight)
    apart = terms - positive[:, None]
    if objective.kind == "pairwise":
        return _weighed(functional.softplus(apart), weight), pool
    return _weighed(functional.relu(apart + objective.margin), weight), pool


def _weighed(values: Tensor, weight: Tensor) -> Tensor:
    return (values @ weight).sum() if weight.ndim == 1 else (values * weight).sum()


@dataclass(frozen=True)
class WeightedColumns:
    """Columns of a batch with their weights in the loss.

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

    def transposed(self) -> WeightedColumns:
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
        return WeightedColumns(np.arange(size), ones, 0 * ones, 0 * ones, known, none.astype(np.int64), none)


def batch_loss(
    objective: Objective,
    queries: Tensor,
    items: Tensor,
    columns: WeightedColumns,
    log_scale: Tensor,
    group: ProcessGroup,
    prefixes: Sequence[int] = (),
) -> float:
    """Compute the loss of the whole batch, the same on every process, and its gradient.

    queries and items: leaves, unit norm, this process's slices of the B pairs and of the C columns;
    their `grad` becomes the loss's gradient, as does its part of log_scale's. prefixes: the loss is the
    mean over the whole vectors and these prefixes of them (Kusupati et al. 2022, Matryoshka
    Representation Learning), each scaled to unit norm.
    """
    dims = [items.shape[1], *prefixes]
    total = 0.0
    for dim in dims:
        # queries of several heads have no prefixes
        sides = [_prefix(side, side.shape[1] if dim == dims[0] else dim) for side in (queries, items)]
        direction = _Direction(objective, log_scale, group, 1 / len(dims) / (2 if objective.symmetric else 1))
        loss, gradients = _both_directions(direction, sides[0].detach(), sides[1].detach(), columns)
        torch.autograd.backward(sides, gradients)
        total += loss
    return total


def _prefix(vectors: Tensor, dim: int) -> Tensor:
    """A view of the whole, or its first dimensions at unit norm."""
    return vectors.view_as(vectors) if dim == vectors.shape[1] else functional.normalize(vectors[:, :dim], dim=1)


def _both_directions(
    direction: _Direction, queries: Tensor, items: Tensor, columns: WeightedColumns
) -> tuple[float, list[Tensor]]:
    """Loss from queries to items and, where the objective is symmetric, from items to queries."""
    group, size, count = direction.group, len(columns.positive), len(columns.easy)
    pairs, slots = group.local_slice(size), group.local_slice(count)
    all_items = group.all_gather(items, count)
    loss, to_queries, to_items = direction(queries, all_items, columns)
    if direction.objective.symmetric:
        positive = torch.from_numpy(columns.positive[pairs]).to(items.device)
        back, to_anchors, to_all = direction(all_items[positive], group.all_gather(queries, size), columns.transposed())
        loss += back
        to_items.index_add_(0, positive, to_anchors)
        to_queries += group.all_reduce(to_all)[pairs]
    return loss, [to_queries, group.all_reduce(to_items)[slots]]


@dataclass(frozen=True)
class _Direction:
    """The loss from anchors to vectors; frac: its share of the batch's loss."""

    objective: Objective
    log_scale: Tensor
    group: ProcessGroup
    frac: float

    def __call__(self, anchors: Tensor, vectors: Tensor, columns: WeightedColumns) -> tuple[float, Tensor, Tensor]:
        """Loss of the batch, and the gradient of this process's rows: to anchors and vectors."""
        # leaves of their own over the same memory: nothing here writes to the vectors
        anchors, vectors, scale = (leaf.detach().requires_grad_() for leaf in (anchors, vectors, self.log_scale))
        first = self.group.local_slice(len(columns.positive)).start
        local = torch.tensor(backward(self.objective, anchors, vectors, columns, first, scale), dtype=torch.float64)
        loss, pool = self.group.all_reduce(local.to(vectors.device)).tolist()
        factor = self.frac / max(pool, 1e-12)
        log_scale = self.log_scale
        if log_scale.requires_grad and scale.grad is not None:
            earlier = log_scale.grad if log_scale.grad is not None else torch.zeros_like(log_scale)
            log_scale.grad = earlier + factor * scale.grad
        to_anchors, to_vectors = (
            leaf.grad.mul_(factor) if leaf.grad is not None else torch.zeros_like(leaf) for leaf in (anchors, vectors)
        )
        return factor * loss, to_anchors, to_vectors


def backward(
    objective: Objective, anchors: Tensor, vectors: Tensor, columns: WeightedColumns, first: int, log_scale: Tensor
) -> tuple[float, float]:
    """Sum and pool of the losses of some rows; the sum's gradient is added to the leaves' `grad`.

    anchors [R, D]: rows first <= row < first + R of the batch. vectors [C, D]. Both leaves, unit norm,
    fp32. log_scale: the logarithm of 1 / temperature.
    """
    scores = TILE_SCORES.get(vectors.device.type, TILE_SCORES["cpu"])
    step = max(1, scores // max(1, len(vectors) * (anchors.shape[1] // vectors.shape[1])))
    total = pool = 0.0
    for start in range(0, len(anchors), step):
        part = anchors[start : start + step]
        loss, weight = _Tile(objective, part, vectors, columns, first + start, log_scale).loss()
        loss.backward()  # type: ignore[no-untyped-call]
        total, pool = total + float(loss.detach()), pool + float(weight)
    return total, pool


class _Tile:
    """Scores of some rows against all columns."""

    def __init__(
        self,
        objective: Objective,
        anchors: Tensor,
        vectors: Tensor,
        columns: WeightedColumns,
        first: int,
        log_scale: Tensor,
    ) -> None:
        self.objective, self.vectors, self.columns = objective, vectors, columns
        self.rows = slice(first, first + len(anchors))
        self.scaled = anchors if objective.kind == "triplet" else anchors * log_scale.exp()
        self.own = self._tensor(columns.positive[self.rows])
        offset = self._tensor(columns.offset[self.rows])
        # not vectors[own]: threads would add up its gradient in an order of their own
        items = vectors.index_select(0, self.own)
        self.heads = anchors.shape[1] // vectors.shape[1]
        self.by_head = self.scaled.view(len(anchors), self.heads, -1)
        if self.heads == 1:
            self.positive = (self.scaled * items).sum(dim=1) + offset
        else:
            self.positive = self._pooled(torch.einsum("rkd,rd->rk", self.by_head, items)) + offset
        # softmax weighs a term by adding a logarithm, which costs nothing within the product
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
        return torch.stack([loss for loss, _ in sums]).sum(), torch.stack([pool for _, pool in sums]).sum()

    def _all(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """Terms [r, C] and their weights [C]."""
        weight = self._tensor(weights)
        bias = weight.log() if self.adds else torch.zeros_like(weight)
        if self.heads == 1:
            terms = torch.addmm(bias, self.scaled, self.vectors.T)
        else:
            terms = self._pooled(self.by_head @ self.vectors.T) + bias
        known = slice(*np.searchsorted(self.columns.known[0], [self.rows.start, self.rows.stop]))
        row, column = (self._tensor(side[known]) for side in self.columns.known)
        terms[row - self.rows.start, column] = -inf
        here = torch.arange(len(terms), device=terms.device)
        terms[here, self.own] = self.positive if self.adds else -inf
        return terms, weight

    def _hardest(self) -> tuple[Tensor, Tensor]:
        """The nearest of the easy negatives: terms [r, k] and their weights [r, k]."""
        terms, weight = self._all(self.columns.easy)
        here = torch.arange(len(terms), device=terms.device)
        nearness = terms.detach().masked_fill(weight == 0, -inf)
        if self.adds:  # by score alone, not by how often the batch holds the item
            nearness = nearness - weight.log().nan_to_num(neginf=0.0)
        nearness[here, self.own] = -inf
        top = nearness.topk(min(self.objective.hardest, nearness.shape[1]), dim=1)
        terms = terms.gather(1, top.indices).masked_fill(top.values == -inf, -inf)
        return terms, weight[top.indices]

    def _own_hard(self) -> tuple[Tensor, Tensor]:
        """Each query's own hard negatives: terms [r, H] and their weights [r, H]."""
        weight = self._tensor(self.columns.own_weight[self.rows])
        own = self._tensor(self.columns.own[self.rows])
        near = self.vectors.index_select(0, own.flatten()).view(*own.shape, -1)
        if self.heads == 1:
            terms = torch.einsum("rd,rhd->rh", self.scaled, near)
        else:
            terms = self._pooled(torch.einsum("rkd,rhd->rkh", self.by_head, near))
        terms = terms.masked_fill(weight == 0, -inf)
        return (terms + weight.log() if self.adds else terms), weight

    def _pooled(self, scores: Tensor) -> Tensor:
        """One score of those of all heads [r, K, ...]."""
        if self.objective.head_pooling == "max":
            return scores.amax(dim=1)
        sharpness = 1.0 / self.objective.temperature if self.objective.kind == "triplet" else 1.0
        return (scores * torch.softmax(scores * sharpness, dim=1)).sum(dim=1)

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self.vectors.device)
