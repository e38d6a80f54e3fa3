"""Losses of a ranking model over padded lists, by name: scores and labels in, one loss of each list out.

scores, labels [B, L]; mask [B, L]: True on items, False on padding, whose score and label may be anything. Labels are
grades of any scale that starts at 0; the gain of a label y is 2^y - 1, the discount of place i is log2(1 + i).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

MU = 10.0  # of NDCGLoss2++, as in the paper
_FAR = 1e30  # a score that sorts behind every item's
_NEAR_ZERO = 1e-12
_LEAST_SUM = 1e-6  # of a row or column of a relaxed permutation: in fp32 a smaller one has no usable gradient


@dataclass(frozen=True)
class LossSettings:
    """Settings of a loss. temperature: of NeuralSort; lower is nearer to NDCG and has steeper gradients.

    sinkhorn_steps: normalisations of NeuralSort's matrix by columns and rows. levels: grades that `ordinal` tells
    apart. top_grade: label of the highest of them.
    """

    name: str = "ndcg2pp"
    temperature: float = 1.0
    sinkhorn_steps: int = 10
    levels: int = 4
    top_grade: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise ValueError(f"loss={self.name}: expected one of {', '.join(LOSSES)}")
        if not self.temperature > 0 or self.sinkhorn_steps < 0 or self.levels < 2:
            raise ValueError(f"{self}: temperature must be > 0, sinkhorn_steps >= 0 and levels >= 2")


class Lists(NamedTuple):
    """Padded lists, with all that several losses need. thresholds [levels - 1]: of `ordinal`, learnt."""

    scores: Tensor
    labels: Tensor
    mask: Tensor
    settings: LossSettings
    thresholds: Tensor


def list_losses(
    scores: Tensor, labels: Tensor, mask: Tensor, settings: LossSettings, thresholds: Tensor | None = None
) -> Tensor:
    """Losses [B] of lists; 0 where all labels of a list are equal, for then no order is better than another.

    Raises:
        ValueError: shapes differ.
    """
    if not scores.shape == labels.shape == mask.shape or scores.ndim != 2:
        raise ValueError(f"scores {scores.shape}, labels {labels.shape}, mask {mask.shape}: expected one shape [B, L]")
    if thresholds is None:
        thresholds = torch.zeros(settings.levels - 1, dtype=scores.dtype)
    scores, labels = scores.masked_fill(~mask, 0.0), labels.masked_fill(~mask, 0.0).to(scores.dtype)
    losses = LOSSES[settings.name](Lists(scores, labels, mask, settings, thresholds))
    return losses.masked_fill(~tells(labels, mask), 0.0)


def tells(labels: Tensor, mask: Tensor) -> Tensor:
    """Lists [B] of two labels or more: only those say anything about order."""
    return labels.masked_fill(~mask, -_FAR).amax(1) > labels.masked_fill(~mask, _FAR).amin(1)


def ranknet(lists: Lists) -> Tensor:
    """Cross-entropy of each pair's order, mean over the pairs of a list, in nats (Burges et al. 2005)."""
    better = _better(lists)
    losses = functional.softplus(-_differences(lists.scores)) * better
    return losses.sum((1, 2)) / better.sum((1, 2)).clamp(min=1)


def lambdarank(lists: Lists) -> Tensor:
    """Pairs weighed by the NDCG that swapping them would change, in bits: LambdaRank's gradient as a loss.

    Wang et al. 2018 (LambdaLoss). The weights are constants of the gradient.
    """
    return _weighed_pairs(lists, mu=0.0)


def ndcg2pp(lists: Lists) -> Tensor:
    """NDCGLoss2++ (Wang et al. 2018): LambdaRank's weight, and MU times that of the distance between the two places.

    The second part bounds NDCG more closely: |1 / D(d) - 1 / D(d + 1)|, d the difference of the ranks.
    """
    return _weighed_pairs(lists, mu=MU)


def neural_ndcg(lists: Lists) -> Tensor:
    """Minus NeuralNDCG (Pobrotyn and Bialobrzeski 2021): NDCG of gains that a relaxed sort has put in order."""
    gains = _gains(lists.labels, lists.mask)
    order = _sinkhorn(neural_sort(lists.scores, lists.mask, lists.settings.temperature), lists)
    places = (order @ gains[:, :, None]).squeeze(2)
    discounts = _discounts(torch.arange(1, gains.shape[1] + 1, device=gains.device, dtype=gains.dtype))
    return -(places / discounts).sum(1) / _ideal(gains)


def softmax(lists: Lists) -> Tensor:
    """Cross-entropy of the softmax of the scores with the labels' shares, in nats (ListNet's top one)."""
    shares = lists.labels / lists.labels.sum(1, keepdim=True).clamp(min=_NEAR_ZERO)
    logs = functional.log_softmax(lists.scores.masked_fill(~lists.mask, -_FAR), dim=1)
    return -(shares * logs.masked_fill(~lists.mask, 0.0)).sum(1)


def ordinal(lists: Lists) -> Tensor:
    """Cross-entropy of `label >= level` for each level above 0, mean over items and levels, in nats.

    The score must pass a learnt threshold for each level (proportional odds).
    """
    above = lists.settings.levels - 1
    grade = (lists.labels / lists.settings.top_grade * above).round().clamp(0, above)
    levels = torch.arange(1, above + 1, device=grade.device, dtype=grade.dtype)
    logits = lists.scores[:, :, None] - lists.thresholds
    losses = functional.binary_cross_entropy_with_logits(
        logits, (grade[:, :, None] >= levels).to(logits.dtype), reduction="none"
    )
    items = lists.mask.sum(1).clamp(min=1)
    return (losses * lists.mask[:, :, None]).sum((1, 2)) / (items * above)


LOSSES: dict[str, Callable[[Lists], Tensor]] = {
    "ndcg2pp": ndcg2pp,
    "lambdarank": lambdarank,
    "neural_ndcg": neural_ndcg,
    "ranknet": ranknet,
    "softmax": softmax,
    "ordinal": ordinal,
}


def neural_sort(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Relaxed permutations [B, L, L]: row i says how much each item is in place i (Grover et al. 2019).

    Rows sum to 1 for places of items; rows and columns of padding are 0.
    """
    pairs = mask[:, :, None] & mask[:, None, :]
    spread = ((scores[:, :, None] - scores[:, None, :]).abs() * pairs).sum(1)
    count = mask.sum(1)
    places = torch.arange(1, scores.shape[1] + 1, device=scores.device)
    scaling = (count[:, None] + 1 - 2 * places).to(scores.dtype)
    logits = (scaling[:, :, None] * scores[:, None, :] - spread[:, None, :]) / temperature
    order = torch.softmax(logits.masked_fill(~mask[:, None, :], -_FAR), dim=2)
    filled = (places[None, :] <= count[:, None])[:, :, None] & mask[:, None, :]
    return order * filled


def _sinkhorn(order: Tensor, lists: Lists) -> Tensor:
    """Columns, then rows, scaled to 1 again and again: no item's gain is used twice."""
    # an empty row or column is divided by 1: its gradient, 0 times 1 / 0, would not be a number
    places = torch.arange(1, order.shape[1] + 1, device=order.device) <= lists.mask.sum(1)[:, None]
    no_row, no_column = (~places)[:, :, None].to(order.dtype), (~lists.mask)[:, None, :].to(order.dtype)
    for _ in range(lists.settings.sinkhorn_steps):
        order = order / (order.sum(1, keepdim=True) + no_column).clamp(min=_LEAST_SUM)
        order = order / (order.sum(2, keepdim=True) + no_row).clamp(min=_LEAST_SUM)
    return order


def _weighed_pairs(lists: Lists, mu: float) -> Tensor:
    ranks = _ranks(lists.scores.detach(), lists.mask)
    gains = _gains(lists.labels, lists.mask) / _ideal(_gains(lists.labels, lists.mask))[:, None]
    inverse = 1 / _discounts(ranks)
    weights = _differences(inverse).abs()
    if mu:
        apart = _differences(ranks).abs()
        weights = weights + mu * (1 / _discounts(apart.clamp(min=1)) - 1 / _discounts(apart + 1)).abs()
    weights = weights * _differences(gains).abs() * _better(lists)
    return (functional.softplus(-_differences(lists.scores)) * weights).sum((1, 2)) / math.log(2)


def _differences(values: Tensor) -> Tensor:
    return values[:, :, None] - values[:, None, :]


def _better(lists: Lists) -> Tensor:
    """1 where the first item of a pair has the higher label."""
    pairs = lists.mask[:, :, None] & lists.mask[:, None, :]
    return ((_differences(lists.labels) > 0) & pairs).to(lists.scores.dtype)


def _ranks(scores: Tensor, mask: Tensor) -> Tensor:
    """Rank of each item from 1, by falling score; padding comes last, equals in the order of the list."""
    order = scores.masked_fill(~mask, -_FAR).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(1, scores.shape[1] + 1, device=scores.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).to(scores.dtype)


def _gains(labels: Tensor, mask: Tensor) -> Tensor:
    return (torch.exp2(labels) - 1) * mask


def _discounts(places: Tensor) -> Tensor:
    return torch.log2(1 + places)


def _ideal(gains: Tensor) -> Tensor:
    """DCG [B] of the best order; never 0."""
    best = gains.sort(dim=1, descending=True).values
    places = torch.arange(1, gains.shape[1] + 1, device=gains.device, dtype=gains.dtype)
    return (best / _discounts(places)).sum(1).clamp(min=_NEAR_ZERO)
