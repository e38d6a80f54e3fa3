"""Training of two towers: a generator of steps, which can stop anywhere and go on exactly there."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.examples import Batch, Examples, Sampling
from models.gradcache import backward_in_chunks
from models.losses import star_loss
from models.precision import autocast
from models.towers import TwoTower


@dataclass(frozen=True)
class Plan:
    """How to train. lr: of BERT and the joining layers; trigram_lr: of the hashed embedding.

    reuse: other queries' hard negatives count too. chunk: texts per forward pass with gradient
    (GradCache), 0 for all at once. warmup_frac: of all steps. clip: greatest norm of the gradient.
    """

    sampling: Sampling
    epochs: int
    lr: float
    trigram_lr: float
    temperature: float = 0.05
    max_steps: int = 0
    warmup_frac: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    reuse: bool = True
    chunk: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or min(self.lr, self.trigram_lr) <= 0.0:
            raise ValueError(f"{self}: epochs and learning rates must be > 0")
        if self.sampling.batch_size < 2:
            raise ValueError("batch_size=1: in-batch negatives need at least 2")


@dataclass(frozen=True)
class Step:
    """One optimiser step; loss in nats, lr of BERT. ends_epoch: the epoch's last."""

    number: int
    epoch: int
    loss: float
    lr: float
    pairs_per_s: float
    ends_epoch: bool


class Training:
    """Towers in training: optimiser, schedule and position, with state in and out."""

    def __init__(self, towers: TwoTower, examples: Examples, plan: Plan) -> None:
        self.towers, self.examples, self.plan = towers, examples, plan
        self.steps_per_epoch = examples.steps_per_epoch(plan.sampling)
        self.total = plan.epochs * self.steps_per_epoch
        if plan.max_steps:
            self.total = min(self.total, plan.max_steps)
        self.done = 0
        self.optimiser = _optimiser(towers, plan)
        warmup = max(1, round(plan.warmup_frac * self.total))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: _share_of_lr(step, warmup, self.total)
        )
        torch.manual_seed(plan.sampling.seed)

    def state(self) -> dict[str, object]:
        """All that a killed process needs to go on: weights, optimiser, schedule, position, RNG."""
        return {
            "towers": self.towers.state()[2],
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "done": self.done,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on where the process that gave this state stood; plan and examples must be its own."""
        self.towers.load_tensors(state["towers"])  # type: ignore[arg-type]
        self.optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        self.schedule.load_state_dict(state["schedule"])  # type: ignore[arg-type]
        self.done = int(state["done"])  # type: ignore[call-overload]
        torch.set_rng_state(state["rng"])  # type: ignore[arg-type]
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_rng"])  # type: ignore[arg-type]

    def step(self, batch: Batch) -> float:
        """One update of the weights; returns the loss.

        Raises:
            RuntimeError: the loss is not a number any more.
        """
        self.towers.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._backward(batch)
        if not math.isfinite(loss):
            raise RuntimeError(
                f"step {self.done + 1}: the loss is {loss}; lower the learning rate"
                f" (lr={self.plan.lr}, trigram_lr={self.plan.trigram_lr}) or raise the temperature"
                f" ({self.plan.temperature}), and go on from the last good towers"
            )
        nn.utils.clip_grad_norm_(self.towers.parameters(), self.plan.clip)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        return loss

    def _backward(self, batch: Batch) -> float:
        towers, plan = self.towers, self.plan

        def loss_of(vectors: list[Tensor]) -> Tensor:
            q, pos, *hard = vectors
            mined = hard[0] if hard else pos.new_zeros(0, pos.shape[1])
            mined = mined.view(len(q), -1, q.shape[1])
            known = torch.from_numpy(batch.known).to(q.device)
            return star_loss(q, pos, mined, known, plan.temperature, plan.reuse)

        sides = [(towers.forward_queries, batch.queries), (towers.forward_items, batch.items)]
        if batch.hard is not None:
            sides.append((towers.forward_items, batch.hard))
        with autocast(towers.device):
            if plan.chunk:
                return backward_in_chunks(sides, loss_of, plan.chunk)
            loss = loss_of([forward(store) for forward, store in sides])
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())


def fit(training: Training) -> Iterator[Step]:
    """Train from where `training` stands to the plan's end, one Step per update.

    Each batch follows from (seed, epoch, number) alone, so no data order is kept in a state.
    """
    plan = training.plan
    while training.done < training.total:
        epoch, skip = divmod(training.done, training.steps_per_epoch)
        for number, batch in training.examples.batches(plan.sampling, epoch, skip):
            started = time.perf_counter()
            lr = float(training.optimiser.param_groups[0]["lr"])
            loss = training.step(batch)
            speed = len(batch.known) / (time.perf_counter() - started)
            last = number + 1 == training.steps_per_epoch or training.done == training.total
            yield Step(training.done, epoch, loss, lr, speed, last)
            if training.done == training.total:
                return


def _optimiser(towers: TwoTower, plan: Plan) -> torch.optim.Optimizer:
    """AdamW; no decay for the hashed embedding, whose rare rows it would wear away, nor for biases."""
    shallow: list[Tensor] = []
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for name, weight in towers.named_parameters():
        if ".trigrams." in name:
            shallow.append(weight)
        else:
            (decayed if weight.ndim > 1 else plain).append(weight)
    groups = [
        {"params": decayed, "lr": plan.lr, "weight_decay": plan.weight_decay},
        {"params": plain, "lr": plan.lr, "weight_decay": 0.0},
        {"params": shallow, "lr": plan.trigram_lr, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def _share_of_lr(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
