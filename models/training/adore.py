"""Refreshing the query tower alone against items that stand still (ADORE; Zhan et al. 2021, section 4.3).

Each step searches the whole catalogue with the query vectors of that very step, and moves those apart
whose order is wrong where it matters: the pair of a positive at rank i and a negative at rank j weighs
|1/i - 1/j|. Items do not move, so their vectors and the index stay valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ann.exact import Found, Rows, Vectors
from models.text.text_store import TextStore
from models.towers.space_id import items_space
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs, batches_of, epoch_order
from models.training.plan import share_of_lr


@dataclass(frozen=True)
class Refresh:
    """depth: items searched for a query, its negatives. temperature: of the cosines in the loss. lr: of
    BERT and what joins; trigram_lr: of the hashed embedding."""

    batch_size: int = 256
    depth: int = 200
    temperature: float = 0.05
    lr: float = 1e-5
    trigram_lr: float = 1e-4
    epochs: int = 2
    seed: int = 0
    clip: float = 1.0

    def __post_init__(self) -> None:
        if min(self.batch_size, self.depth, self.epochs) < 1:
            raise ValueError(f"{self}: batch_size, depth and epochs must be > 0")
        if min(self.temperature, self.lr, self.trigram_lr) <= 0:
            raise ValueError(f"{self}: temperature and learning rates must be > 0")


@dataclass(frozen=True)
class Frozen:
    """The items as they stand: search [B, D] -> scores and rows of the nearest; take: their vectors."""

    search: Callable[[Vectors], Found]
    take: Callable[[Rows], Vectors]


def own_query_tower(towers: TwoTower) -> TwoTower:
    """The same towers with a query tower of its own, whose items stand in the space of these."""
    config = replace(towers.config, shared=False, items_of=items_space(towers))
    _, tokenizer_json, _ = towers.state()
    return TwoTower.from_state(config.to_dict(), tokenizer_json, dict(towers.state_dict()))


def pair_weights(rank: Tensor, depth: int) -> Tensor:
    """|1/i - 1/j| [B, depth] of positives at ranks i [B] and what stands at ranks j = 1 .. depth."""
    others = 1.0 / torch.arange(1, depth + 1, device=rank.device)
    return (1.0 / rank[:, None] - others[None, :]).abs()


def adore_loss(
    queries: Tensor, positives: Tensor, found: Tensor, rank: Tensor, right: Tensor, temperature: float
) -> Tensor:
    """Mean over the queries of the sum over pairs of weight * log(1 + exp((s_j - s_i) / temperature)).

    queries, positives [B, D]; found [B, k, D]: the items at ranks 1 .. k; rank [B]: of the positive,
    k + 1 where it was not found. right [B, k]: True where there is no item, or one that is a known
    positive; those make no pair.
    """
    own = (queries * positives).sum(dim=1, keepdim=True)
    others = torch.einsum("bd,bkd->bk", queries, found)
    losses = functional.softplus((others - own) / temperature)
    weights = pair_weights(rank, found.shape[1]).masked_fill(right, 0.0)
    return (weights * losses).sum(dim=1).mean()


class Refreshing:
    """Trains the query tower of towers that have one of their own; nothing else moves."""

    def __init__(
        self, towers: TwoTower, queries: TextStore, pairs: Pairs, known: Known, items: Frozen, plan: Refresh
    ) -> None:
        if towers.config.shared:
            raise ValueError("towers share their weights: give own_query_tower(towers)")
        self.towers, self.queries, self.pairs, self.known = towers, queries, pairs, known
        self.items, self.plan = items, plan
        towers.item_tower.requires_grad_(False)
        named = list(towers.query_tower.named_parameters())
        self.weights = [weight for _, weight in named]
        shallow = [weight for name, weight in named if name.startswith("trigrams.")]
        ids = {id(weight) for weight in shallow}
        deep = [weight for weight in self.weights if id(weight) not in ids]
        groups = [{"params": deep, "lr": plan.lr}, {"params": shallow, "lr": plan.trigram_lr}]
        groups = [group for group in groups if group["params"]]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
        self.steps = len(batches_of(epoch_order(pairs, plan.seed, 0), plan.batch_size))
        total = plan.epochs * self.steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: share_of_lr(step, max(1, total // 20), total)
        )

    def epoch(self, number: int) -> Iterator[float]:
        """Yield the loss of each step of an epoch."""
        order = epoch_order(self.pairs, self.plan.seed, number)
        for rows in batches_of(order, self.plan.batch_size):
            yield self.step(self.pairs.query[rows], self.pairs.item[rows])

    def step(self, query: Rows, item: Rows) -> float:
        """One update by some pairs. Without dropout: what is searched with is what will be served."""
        self.towers.eval()
        asked = self.towers.forward_queries(self.queries.take(query))
        _, found = self.items.search(asked.detach().float().cpu().numpy())
        own = found == item[:, None]
        rank = np.where(own.any(axis=1), own.argmax(axis=1), found.shape[1]) + 1
        right = own | (found < 0) | self.known.contains(query[:, None], found)
        needed, place = np.unique(np.concatenate([found.clip(min=0).ravel(), item]), return_inverse=True)
        device = self.towers.device
        vectors = torch.from_numpy(self.items.take(needed)).to(device)
        at = torch.from_numpy(place).to(device)
        near = vectors[at[: found.size]].view(*found.shape, -1)
        loss = adore_loss(
            asked,
            vectors[at[found.size :]],
            near,
            torch.from_numpy(rank).to(device),
            torch.from_numpy(right).to(device),
            self.plan.temperature,
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, self.plan.clip)
        self.optimiser.step()
        self.schedule.step()
        return float(loss.detach())
