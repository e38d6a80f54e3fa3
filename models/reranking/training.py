"""Training of the neural ranker: batches of whole lists for the one training loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.reranking.losses import LossSettings, list_losses
from models.reranking.neural import Inputs, NeuralRanker
from models.training.fit import Training

Numbers = NDArray[np.int64]
_ORDER, _NOISE = 1, 2  # seeds of what is drawn


class ListBatch(NamedTuple):
    """Some lists, padded: inputs, labels [B, L], and the weight [B] of each list in the loss."""

    inputs: Inputs
    labels: Tensor
    weights: Tensor


class ListSource(Protocol):
    """Lists by their number. Features are made when a batch is asked for, and never kept."""

    def __len__(self) -> int:
        """Number of lists."""

    def batch(self, numbers: Numbers) -> ListBatch:
        """The lists of these numbers."""


@dataclass(frozen=True)
class RankerPlan:
    """Settings of a training. batch_lists: of a step. warmup_frac: of all steps. clip: greatest norm of the gradient."""

    epochs: int
    batch_lists: int
    lr: float
    loss: LossSettings
    seed: int = 0
    max_steps: int = 0
    warmup_frac: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_lists < 1 or not self.lr > 0:
            raise ValueError(f"{self}: epochs, batch_lists and lr must be > 0")


class RankerTraining(Training[Numbers]):
    """A neural ranker in training."""

    unit = "lists"

    def __init__(self, model: NeuralRanker, lists: ListSource, plan: RankerPlan) -> None:
        self.ranker, self.lists, self.plan = model, lists, plan
        optimiser = torch.optim.AdamW(model.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
        steps = -(-len(lists) // plan.batch_lists)
        super().__init__(model, optimiser, steps, plan.epochs, plan.warmup_frac, plan.clip, plan.max_steps)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Numbers]:
        """Numbers of the lists of each step of an epoch, in random order, from the `skip`th on."""
        order = np.random.default_rng([_ORDER, self.plan.seed, epoch]).permutation(len(self.lists))
        for start in range(skip * self.plan.batch_lists, len(order), self.plan.batch_lists):
            yield order[start : start + self.plan.batch_lists]

    def step(self, batch: Numbers) -> tuple[float, int, dict[str, float]]:
        """Update the weights once; returns the loss, the lists read and the figures of the step.

        Raises:
            RuntimeError: the loss is no finite number.
        """
        rng = np.random.default_rng([_NOISE, self.plan.seed, self.done])
        torch.manual_seed(int(rng.integers(2**63)))
        lists = self.lists.batch(batch)
        self.begin()
        scores = self.ranker(lists.inputs)
        losses = list_losses(scores, lists.labels, lists.inputs.mask, self.plan.loss, self.ranker.thresholds)
        loss = (losses * lists.weights).sum() / lists.weights.sum().clamp(min=1e-12)
        value = float(loss.detach())
        self.check_finite(value, f"lower the learning rate (lr={self.plan.lr})")
        loss.backward()  # type: ignore[no-untyped-call]
        self.update()
        return value, len(batch), {"items_per_list": float(lists.inputs.mask.sum()) / len(batch)}


def list_ndcg(
    scores: NDArray[np.floating], labels: NDArray[np.floating], mask: NDArray[np.bool_], k: int = 10
) -> NDArray[np.float64]:
    """nDCG [B] of the first k, gain 2^label - 1; 0 for lists without a label above 0. Equal scores keep their order."""
    shown = np.argsort(np.where(mask, -scores, np.inf), axis=1, kind="stable")[:, :k]
    gains = np.where(mask, np.exp2(np.where(mask, labels, 0)) - 1, 0.0)
    discounts = 1 / np.log2(2 + np.arange(min(k, gains.shape[1])))
    best = -np.sort(-gains, axis=1)[:, :k]
    ideal = (best * discounts).sum(1)
    reached = (np.take_along_axis(gains, shown, axis=1) * discounts).sum(1)
    return np.where(ideal > 0, reached / np.maximum(ideal, 1e-12), 0.0)
