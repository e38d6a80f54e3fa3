"""Training of two towers: a generator of steps, which can stop anywhere and go on exactly there."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.text.text_store import padding_frac
from models.towers.two_tower import TwoTower
from models.training.collapse import Spread, spread
from models.training.distributed_loss import compare
from models.training.examples import Batch, Examples
from models.training.gradcache import Encoded
from models.training.plan import Plan, optimiser_of, share_of_lr

_LOOK_EVERY, _PATIENCE = 25, 4  # steps between looks at the spread; looks that may fail in a row
_HOTTEST = math.log(1000.0)  # a learnt temperature stays above 0.001


@dataclass(frozen=True)
class Step:
    """One optimiser step; loss in nats (triplet: cosines), lr of BERT. ends_epoch: the epoch's last.
    padding_frac: padding among the tokens of this process. spread: of its items, now and then."""

    number: int
    epoch: int
    loss: float
    lr: float
    temperature: float
    pairs_per_s: float
    padding_frac: float
    spread: Spread | None
    ends_epoch: bool


class Training:
    """Towers in training: optimiser, schedule and position, with state in and out."""

    def __init__(self, towers: TwoTower, examples: Examples, plan: Plan) -> None:
        self.towers, self.examples, self.plan = towers, examples, plan
        self.team = examples.team
        self.steps_per_epoch = examples.steps_per_epoch(plan.sampling)
        self.total = plan.epochs * self.steps_per_epoch
        if plan.max_steps:
            self.total = min(self.total, plan.max_steps)
        self.done = self.collapsed = 0
        self.padding = 0.0
        start = torch.tensor(-math.log(plan.objective.temperature), device=towers.device)
        self.log_scale = nn.Parameter(start, plan.objective.learn_temperature)
        self.optimiser = optimiser_of(towers, self.log_scale, plan)
        warmup = max(1, round(plan.warmup_frac * self.total))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: share_of_lr(step, warmup, self.total)
        )
        weights = towers.state()[2] if plan.ema else {}
        self.averaged = {name: one.detach().clone() for name, one in weights.items()}

    def state(self) -> dict[str, object]:
        """All that a killed process needs to go on. No generator is in it: the noise of a step follows
        from the seed and the step."""
        return {
            "towers": self.towers.state()[2],
            "averaged": self.averaged,
            "log_scale": self.log_scale.detach(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "done": self.done,
            "collapsed": self.collapsed,
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on where the process that gave this state stood; plan and examples must be its own."""
        self.towers.load_tensors(state["towers"])  # type: ignore[arg-type]
        self.averaged = {n: one.to(self.towers.device) for n, one in state["averaged"].items()}  # type: ignore[attr-defined]
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])  # type: ignore[arg-type]
        self.optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        self.schedule.load_state_dict(state["schedule"])  # type: ignore[arg-type]
        self.done, self.collapsed = int(state["done"]), int(state["collapsed"])  # type: ignore[call-overload]

    @contextmanager
    def judged_weights(self) -> Iterator[None]:
        """Within it the towers hold the averaged weights, if there are any."""
        if not self.averaged:
            yield
            return
        own = {name: one.detach().clone() for name, one in self.towers.state()[2].items()}
        self.towers.load_tensors(self.averaged)
        try:
            yield
        finally:
            self.towers.load_tensors(own)

    def step(self, batch: Batch) -> tuple[float, Spread | None]:
        """One update of the weights; returns the loss, and now and then the spread of the items.

        Raises:
            RuntimeError: the loss is not a number any more, or the space has collapsed.
        """
        self.towers.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss, seen = self.gradient(batch)
        self._check(loss, seen)
        self.team.total_gradients([*self.towers.parameters(), self.log_scale])
        nn.utils.clip_grad_norm_(self.towers.parameters(), self.plan.clip)
        self.optimiser.step()
        self.schedule.step()
        with torch.no_grad():
            self.log_scale.clamp_(0.0, _HOTTEST)
            for name, one in self.towers.state()[2].items() if self.averaged else ():
                self.averaged[name].lerp_(one, 1.0 - self.plan.ema)
        self.done += 1
        return loss, seen

    def gradient(self, batch: Batch) -> tuple[float, Spread | None]:
        """Add this process's part of the batch's gradient to the weights; the loss is of the batch."""
        towers, plan = self.towers, self.plan
        columns = batch.mixture.columns(plan.objective, self.done / self.total)
        sides = [
            Encoded(tower, store, towers.pad, towers.device, self._noise(place), plan.chunk, plan.precision)
            for place, (tower, store) in enumerate(
                [(towers.query_tower, batch.queries), (towers.item_tower, batch.items)]
            )
        ]
        queries, items = sides
        loss = compare(
            plan.objective, queries.vectors, items.vectors, columns, self.log_scale, self.team, plan.matryoshka
        )
        for side in sides:
            side.backward()
        shift = len(queries.store)
        sizes = np.concatenate([side.store.sizes for side in sides])
        groups = [*queries.groups, *(rows + shift for rows in items.groups)]
        self.padding = padding_frac(sizes, groups) if groups else 0.0
        look = self.done % _LOOK_EVERY == 0 and len(items.vectors) > 1 and math.isfinite(loss)
        return loss, spread(items.vectors) if look else None

    def _noise(self, place: int) -> int:
        """A seed for the dropout of one side of this step, in this process."""
        words = [self.plan.sampling.seed, self.done, self.team.rank, place]
        # chunks count up from it
        return int(np.random.SeedSequence(words).generate_state(1)[0]) << 20

    def _check(self, loss: float, seen: Spread | None) -> None:
        plan = self.plan
        cures = (
            f"lower the learning rate (lr={plan.lr}, trigram_lr={plan.trigram_lr}) or raise the"
            f" temperature ({plan.objective.temperature}), and go on from the last good towers"
        )
        if not math.isfinite(loss):
            raise RuntimeError(f"step {self.done + 1}: the loss is {loss}; {cures}")
        if seen is not None and self.done >= self.total * plan.warmup_frac:
            self.collapsed = self.collapsed + 1 if seen.collapsed else 0
        if self.collapsed >= _PATIENCE:
            assert seen is not None
            raise RuntimeError(
                f"step {self.done + 1}: all items have nearly one vector (mean cosine"
                f" {seen.mean_cosine:.3f}, effective rank {seen.effective_rank:.1f}); {cures}"
            )


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
            loss, seen = training.step(batch)
            speed = len(batch) / (time.perf_counter() - started)
            temperature = math.exp(-float(training.log_scale.detach()))
            last = number + 1 == training.steps_per_epoch or training.done == training.total
            yield Step(training.done, epoch, loss, lr, temperature, speed, training.padding, seen, last)
            if training.done == training.total:
                return
