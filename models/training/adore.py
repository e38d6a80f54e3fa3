"""Training of the query tower alone, against item vectors that do not change (ADORE; Zhan et al. 2021, section 4.3).

Each step searches the whole catalogue with the query vectors of that step, and corrects wrong orders by their effect:
the pair of a positive at rank i and a negative at rank j weighs |1/i - 1/j|. Items do not move, so their vectors and
the index stay valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.ann.exact import Found, Rows, Vectors
from models.text.text_store import TextStore
from models.towers.space_id import items_space
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs, batches_of, epoch_order
from models.training.fit import Training

_WARMUP_FRAC = 0.05


@dataclass(frozen=True)
class AdorePlan:
    """depth: items searched for a query, its negatives. temperature: of the cosines in the loss. lr: of
    BERT and the fusion; trigram_lr: of the hashed embedding."""

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
class FrozenItems:
    """Items that do not change. search [B, D] -> scores and rows of the nearest; take: vectors of rows."""

    search: Callable[[Vectors], Found]
    take: Callable[[Rows], Vectors]


def own_query_tower(towers: TwoTower) -> TwoTower:
    """The same towers with separate weights for queries; their items stay in the space of the towers given."""
    if towers.config.heads > 1:
        raise ValueError(f"towers of {towers.config.heads} heads: a refresh takes towers of one head; train them again")
    config = replace(towers.config, shared=False, items_of=items_space(towers))
    _, tokenizer_json, _ = towers.state()
    return TwoTower.from_state(config.to_dict(), tokenizer_json, dict(towers.state_dict()))


def pair_weights(rank: Tensor, depth: int) -> Tensor:
    """|1/i - 1/j| [B, depth] of positives at ranks i [B] and items at ranks j = 1 .. depth."""
    others = 1.0 / torch.arange(1, depth + 1, device=rank.device)
    return (1.0 / rank[:, None] - others[None, :]).abs()


def adore_loss(
    queries: Tensor, positives: Tensor, near: Tensor, rank: Tensor, known: Tensor, temperature: float
) -> Tensor:
    """Mean over the queries of the sum over pairs of weight * log(1 + exp((s_j - s_i) / temperature)).

    queries, positives [B, D]; near [B, k, D]: the items at ranks 1 .. k; rank [B]: of the positive,
    k + 1 where it was not found. known [B, k]: True on a known positive, or where there is no item;
    those make no pair.
    """
    own = (queries * positives).sum(dim=1, keepdim=True)
    others = torch.einsum("bd,bkd->bk", queries, near)
    losses = functional.softplus((others - own) / temperature)
    weights = pair_weights(rank, near.shape[1]).masked_fill(known, 0.0)
    return (weights * losses).sum(dim=1).mean()


class AdoreTraining(Training[Rows]):
    """The query tower in training, of towers that have separate weights for queries; nothing else changes."""

    unit = "pairs"

    def __init__(
        self, towers: TwoTower, queries: TextStore, pairs: Pairs, known: Known, items: FrozenItems, plan: AdorePlan
    ) -> None:
        if towers.config.shared:
            raise ValueError("towers share their weights: give own_query_tower(towers)")
        self.towers, self.queries, self.pairs, self.known = towers, queries, pairs, known
        self.items, self.plan = items, plan
        towers.trained_sides[1].requires_grad_(False)
        steps_per_epoch = len(batches_of(epoch_order(pairs, plan.seed, 0), plan.batch_size))
        optimiser = _optimiser(towers, plan)
        super().__init__(towers, optimiser, steps_per_epoch, plan.epochs, _WARMUP_FRAC, plan.clip)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Rows]:
        """Rows of the pairs of each batch of an epoch."""
        yield from batches_of(epoch_order(self.pairs, self.plan.seed, epoch), self.plan.batch_size)[skip:]

    def weights(self) -> dict[str, Tensor]:
        """Tensors of both towers by name, each once."""
        return self.towers.state()[2]

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the tensors of both towers."""
        self.towers.load_tensors(tensors)

    def step(self, batch: Rows) -> tuple[float, int, dict[str, float]]:
        """Update the query tower once. Without dropout, so that training searches with the vectors that serve.

        Raises:
            RuntimeError: the loss is no finite number.
        """
        self.begin()
        self.towers.eval()
        loss = self._loss(self.pairs.query[batch], self.pairs.item[batch])
        value = float(loss.detach())
        self.check_finite(value, f"lower the learning rate (lr={self.plan.lr}, trigram_lr={self.plan.trigram_lr})")
        loss.backward()  # type: ignore[no-untyped-call]
        self.update()
        return value, len(batch), {}

    def _loss(self, query: Rows, item: Rows) -> Tensor:
        vectors = self.towers.forward_queries(self.queries.take(query))
        _, found = self.items.search(vectors.detach().float().cpu().numpy())
        own = found == item[:, None]
        rank = np.where(own.any(axis=1), own.argmax(axis=1), found.shape[1]) + 1
        known = own | (found < 0) | self.known.contains(query[:, None], found)
        needed, place = np.unique(np.concatenate([found.clip(min=0).ravel(), item]), return_inverse=True)
        device = self.towers.device
        item_vectors = torch.from_numpy(self.items.take(needed)).to(device)
        at = torch.from_numpy(place).to(device)
        return adore_loss(
            vectors,
            item_vectors[at[found.size :]],
            item_vectors[at[: found.size]].view(*found.shape, -1),
            torch.from_numpy(rank).to(device),
            torch.from_numpy(known).to(device),
            self.plan.temperature,
        )


def _optimiser(towers: TwoTower, plan: AdorePlan) -> torch.optim.Optimizer:
    named = list(towers.query_tower.named_parameters())
    shallow = [weight for name, weight in named if name.startswith("trigrams.")]
    deep = [weight for name, weight in named if not name.startswith("trigrams.")]
    groups = [{"params": deep, "lr": plan.lr}, {"params": shallow, "lr": plan.trigram_lr}]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.0)
