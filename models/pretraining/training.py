"""Pre-training by masked words: a generator of steps, which can stop anywhere and go on exactly there.

All that is drawn follows from (seed, epoch, number of the step): order, masks and dropout. A state therefore holds
no random generator, and any one step can be repeated alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.pretraining.masking import Masked, Masker
from models.pretraining.mlm import MaskedLM, masked_loss
from models.text.ragged import Ragged
from models.text.text_store import buckets
from models.training.plan import share_of_lr

_ORDER, _MASKS = 1, 2  # what is drawn: different seeds


@dataclass(frozen=True)
class Plan:
    """How to pre-train. batch_tokens: of one step on average, padding included. warmup_frac: of all steps.

    clip: greatest norm of the gradient. precision: auto, fp32 or bf16.
    """

    epochs: int
    batch_tokens: int
    lr: float
    seed: int = 0
    max_steps: int = 0
    warmup_frac: float = 0.06
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_tokens < 1 or not self.lr > 0.0:
            raise ValueError(f"{self}: epochs, batch_tokens and lr must be > 0")


@dataclass(frozen=True)
class Step:
    """One optimiser step. loss in nats, accuracy: both of its masked pieces, before the update.

    pieces: read, without padding; padded_frac: share of padding in what was computed. ends_epoch: the
    epoch's last.
    """

    number: int
    epoch: int
    loss: float
    accuracy: float
    lr: float
    pieces: int
    padded_frac: float
    pieces_per_s: float
    ends_epoch: bool


class Training:
    """A model in training: optimiser, schedule and position, with state in and out."""

    def __init__(self, model: MaskedLM, texts: Ragged, masker: Masker, plan: Plan) -> None:
        """Every text must hold a word: `masker.has_words`."""
        self.model, self.texts, self.masker, self.plan = model, texts, masker, plan
        # what a text costs on average: of a short one nothing is drawn, mostly, and it is left out
        words = texts.lengths - 2
        self.costs = np.ceil(texts.lengths * (words * masker.mask_frac).clip(0, 1)).astype(np.int64)
        # texts of like length together; the lengths are the same in every epoch, so are the cuts
        self.steps_per_epoch = sum(1 for _ in buckets(self.costs, plan.batch_tokens))
        self.total = plan.epochs * self.steps_per_epoch
        if plan.max_steps:
            self.total = min(self.total, plan.max_steps)
        self.done = 0
        self.optimiser = _optimiser(model, plan)
        warmup = max(1, round(plan.warmup_frac * self.total))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: share_of_lr(step, warmup, self.total)
        )

    def state(self) -> dict[str, object]:
        """All that a killed process needs to go on: weights, optimiser, schedule, position."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "done": self.done,
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on where the process that gave this state stood; plan and texts must be its own."""
        self.model.load_state_dict(state["model"])  # type: ignore[arg-type]
        self.optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        self.schedule.load_state_dict(state["schedule"])  # type: ignore[arg-type]
        self.done = int(state["done"])  # type: ignore[call-overload]

    def batches(self, epoch: int, skip: int = 0) -> Iterator[NDArray[np.int64]]:
        """Rows of each step of an epoch from the `skip`th on: like lengths together, in random order."""
        rng = np.random.default_rng([_ORDER, self.plan.seed, epoch])
        order = rng.permutation(len(self.texts))
        cuts = list(buckets(self.costs[order], self.plan.batch_tokens))
        for number in rng.permutation(len(cuts))[skip:]:
            yield order[cuts[number]]

    def masked(self, rows: NDArray[np.int64], epoch: int, number: int) -> Masked:
        """Mask the texts of a step; dropout's noise is seeded along with the masks."""
        rng = np.random.default_rng([_MASKS, self.plan.seed, epoch, number])
        torch.manual_seed(int(rng.integers(2**63)))
        return self.masker.mask_words(self.texts.take(rows), rng)

    def step(self, masked: Masked) -> tuple[float, float]:
        """One update of the weights; returns loss and accuracy on the masked pieces.

        Raises:
            RuntimeError: the loss is not a number any more.
        """
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss, right = masked_loss(self.model, masked, self.plan.precision)
        found = float(loss.detach())
        if not math.isfinite(found):
            raise RuntimeError(
                f"step {self.done + 1}: the loss is {found}; lower the learning rate (lr={self.plan.lr})"
                " and start again from the last good weights"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        return found, float(right) / len(masked.targets)


def fit(training: Training) -> Iterator[Step]:
    """Train from where `training` stands to the plan's end, one Step per update."""
    while training.done < training.total:
        epoch, skip = divmod(training.done, training.steps_per_epoch)
        for number, rows in enumerate(training.batches(epoch, skip), skip):
            started = time.perf_counter()
            lr = float(training.optimiser.param_groups[0]["lr"])
            masked = training.masked(rows, epoch, number)
            loss, accuracy = training.step(masked)
            pieces, area = int(masked.filled.sum()), masked.filled.size
            yield Step(
                number=training.done,
                epoch=epoch,
                loss=loss,
                accuracy=accuracy,
                lr=lr,
                pieces=pieces,
                padded_frac=1.0 - pieces / area,
                pieces_per_s=pieces / (time.perf_counter() - started),
                ends_epoch=number + 1 == training.steps_per_epoch or training.done == training.total,
            )
            if training.done == training.total:
                return


def _optimiser(model: MaskedLM, plan: Plan) -> torch.optim.Optimizer:
    """AdamW; no decay for biases and norms."""
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for weight in model.parameters():
        (decayed if weight.ndim > 1 else plain).append(weight)
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.lr, fused=True)
