"""A batch's loss over all processes, and its gradient with respect to this process's vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.training.distributed import Team
from models.training.losses import Objective
from models.training.tiled_loss import Columns, backward


def compare(
    objective: Objective,
    queries: Tensor,
    items: Tensor,
    columns: Columns,
    log_scale: Tensor,
    team: Team,
    prefixes: Sequence[int] = (),
) -> float:
    """The loss of the whole batch, the same on every process.

    queries and items: leaves, unit norm, of this process's share of the B pairs and of the C columns;
    their `grad` becomes the loss's gradient, as does its part of log_scale's. prefixes: the loss is the
    mean over the whole vectors and their first so many dimensions (Kusupati et al. 2022, Matryoshka
    Representation Learning), each scaled to unit norm.
    """
    dims = [queries.shape[1], *prefixes]
    total = 0.0
    for dim in dims:
        sides = [_prefix(side, dim) for side in (queries, items)]
        loss, gradients = _both_ways(
            objective, sides[0].detach(), sides[1].detach(), columns, log_scale, team, 1 / len(dims)
        )
        torch.autograd.backward(sides, gradients)
        total += loss
    return total


def _prefix(vectors: Tensor, dim: int) -> Tensor:
    """A view of the whole, or its first dimensions at unit norm."""
    return vectors.view_as(vectors) if dim == vectors.shape[1] else functional.normalize(vectors[:, :dim], dim=1)


def _both_ways(
    objective: Objective, queries: Tensor, items: Tensor, columns: Columns, log_scale: Tensor, team: Team, share: float
) -> tuple[float, list[Tensor]]:
    size, count = len(columns.positive), len(columns.easy)
    mine, shared = team.share(size), team.share(count)
    everything = team.gather(items, count)
    share /= 2 if objective.symmetric else 1
    loss, to_queries, to_items = _one_way(objective, queries, everything, columns, log_scale, team, share)
    if objective.symmetric:
        positive = torch.from_numpy(columns.positive[mine]).to(items.device)
        back, to_anchors, to_all = _one_way(
            objective, everything[positive], team.gather(queries, size), columns.transposed(), log_scale, team, share
        )
        loss += back
        to_items.index_add_(0, positive, to_anchors)
        to_queries += team.total(to_all)[mine]
    return loss, [to_queries, team.total(to_items)[shared]]


def _one_way(
    objective: Objective,
    anchors: Tensor,
    vectors: Tensor,
    columns: Columns,
    log_scale: Tensor,
    team: Team,
    share: float,
) -> tuple[float, Tensor, Tensor]:
    """`share` of the loss of the batch, and the gradient of this process's rows: to anchors and vectors."""
    # leaves of their own over the same memory: nothing here writes to the vectors
    anchors, vectors, scale = (one.detach().requires_grad_() for one in (anchors, vectors, log_scale))
    first = team.share(len(columns.positive)).start
    mine = torch.tensor(backward(objective, anchors, vectors, columns, first, scale), dtype=torch.float64)
    loss, pool = team.total(mine.to(vectors.device)).tolist()
    factor = share / max(pool, 1e-12)
    if log_scale.requires_grad and scale.grad is not None:
        earlier = log_scale.grad if log_scale.grad is not None else torch.zeros_like(log_scale)
        log_scale.grad = earlier + factor * scale.grad
    found = [one.grad.mul_(factor) if one.grad is not None else torch.zeros_like(one) for one in (anchors, vectors)]
    return factor * loss, found[0], found[1]
