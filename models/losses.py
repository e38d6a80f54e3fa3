"""Contrastive losses over a batch of queries, their positives and their hard negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def in_batch_loss(q: Tensor, pos: Tensor, known: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each query against its positive and the B-1 other items of the batch.

    q [B, D], pos [B, D]: unit norm, row b of pos is the item of query b. known [B, B]: True where
    column c is a known positive of query b. The rest as in star_loss.
    """
    return star_loss(q, pos, pos.new_zeros(len(q), 0, q.shape[1]), known, temperature)


def star_loss(
    q: Tensor, pos: Tensor, hard: Tensor, known: Tensor, temperature: float, reuse: bool = True
) -> Tensor:
    """Cross-entropy of each query against its positive, the B-1 in-batch and B*H mined items.

    q [B, D], pos [B, D], hard [B, H, D]: unit norm. known [B, B + B*H]: True where the column is a
    known positive of that row; but for the row's own positive, such columns leave the softmax, or
    popular items would be pushed away from queries that did click them. With `reuse` off a query
    sees its own H hard negatives only. Returns the mean over B, in nats, taken in fp32.

    Raises:
        ValueError: temperature is not > 0.
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature={temperature}: must be > 0, usually 0.01 to 0.1")
    batch, per_query = hard.shape[:2]
    assert known.shape == (batch, batch + batch * per_query), known.shape
    with torch.autocast(q.device.type, enabled=False):
        q, pos, hard = q.float(), pos.float(), hard.float()
        rows = torch.arange(batch, device=q.device)
        left_out = known.clone()
        left_out[rows, rows] = False
        if reuse:
            scores = q @ torch.cat([pos, hard.flatten(0, 1)]).T
        else:
            own_known = left_out[:, batch:].view(batch, batch, per_query)[rows, rows]
            left_out = torch.cat([left_out[:, :batch], own_known], dim=1)
            scores = torch.cat([q @ pos.T, torch.einsum("bd,bhd->bh", q, hard)], dim=1)
        logits = (scores / temperature).masked_fill(left_out, float("-inf"))
        return functional.cross_entropy(logits, rows)
