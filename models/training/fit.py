"""One training loop for every model: a generator of steps, which can stop after any step and continue exactly there.

All that is drawn (order, masks, negatives, dropout) follows from (seed, epoch, number of the step). A state therefore
holds no random generator, and a killed training ends with the weights of one that was never killed.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from models.training.distributed import ProcessGroup

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Step:
    """One optimiser step. number counts from 1, epoch from 0; lr is that of the first group of weights.

    loss: before the update. units: pairs or pieces read (Training.unit), per_s of them a second. figures: further
    values of this step, by name. ends_epoch: last of its epoch, or of the training.
    """

    number: int
    epoch: int
    loss: float
    lr: float
    units: int
    per_s: float
    figures: dict[str, float]
    ends_epoch: bool


class Training(ABC, Generic[Batch]):
    """A model in training: optimiser, schedule and position, with state in and out."""

    unit: str  # of Step.units

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        steps_per_epoch: int,
        epochs: int,
        warmup_frac: float,
        clip: float,
        max_steps: int = 0,
        group: ProcessGroup | None = None,
    ) -> None:
        """warmup_frac: of all steps. clip: greatest norm of the gradient. max_steps: 0 for no limit. group: the
        processes that train together; None: this one alone."""
        self.model, self.optimiser, self.clip = model, optimiser, clip
        self.steps_per_epoch, all_steps = steps_per_epoch, epochs * steps_per_epoch
        self.total = min(all_steps, max_steps or all_steps)
        self.group = group or ProcessGroup()
        self.done = 0
        self.grad_norm = 0.0  # of the last step, before it was clipped
        warmup = max(1, round(warmup_frac * self.total))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: lr_frac(step, warmup, self.total))

    @abstractmethod
    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Batches of an epoch from the `skip`th on."""

    @abstractmethod
    def step(self, batch: Batch) -> tuple[float, int, dict[str, float]]:
        """Update the weights once; returns the loss, the units read and the figures of the step."""

    def weights(self) -> dict[str, Tensor]:
        """Tensors of the model by name."""
        return self.model.state_dict()

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the tensors of the model."""
        self.model.load_state_dict(tensors)

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Context in which the model holds the weights that are evaluated and kept."""
        yield

    def state(self) -> dict[str, Any]:
        """All that a killed process needs to continue."""
        return {
            "weights": self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "done": self.done,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a training with the same settings and data."""
        self.load_weights(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.done = int(state["done"])

    def begin(self) -> None:
        """Prepare the model and its gradients for a step."""
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)

    def update(self) -> None:
        """Apply the gradients, summed over all processes."""
        self.group.all_reduce_gradients(weight for group in self.optimiser.param_groups for weight in group["params"])
        self.grad_norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.clip))
        self.optimiser.step()
        self.schedule.step()
        self.done += 1

    def check_finite(self, loss: float, advice: str) -> None:
        """Stop a training that has diverged.

        Raises:
            RuntimeError: the loss is no finite number.
        """
        if not math.isfinite(loss):
            raise RuntimeError(f"step {self.done + 1}: the loss is {loss}; {advice}")


def fit(training: Training[Any]) -> Iterator[Step]:
    """Train from the position of `training` to its end, one Step per update."""
    while training.done < training.total:
        epoch, skip = divmod(training.done, training.steps_per_epoch)
        for batch in training.batches(epoch, skip):
            lr = float(training.optimiser.param_groups[0]["lr"])
            started = time.perf_counter()
            loss, units, figures = training.step(batch)
            per_s = units / (time.perf_counter() - started)
            ended = training.done == training.total
            last = ended or training.done % training.steps_per_epoch == 0
            figures = {**figures, "grad_norm": training.grad_norm}
            yield Step(training.done, epoch, loss, lr, units, per_s, figures, last)
            if ended:
                return


def adamw(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW over all weights; no decay for biases and norms."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    plain = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def lr_frac(step: int, warmup: int, total: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
