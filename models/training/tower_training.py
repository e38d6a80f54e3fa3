"""Training of two towers on pairs: plan, optimiser, and one step of contrastive learning."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.text.text_store import padding_frac
from models.towers.two_tower import TwoTower
from models.training.distillation import Teacher, distil
from models.training.examples import Batch, Examples, Sampling
from models.training.fit import Training
from models.training.gradcache import CachedEncoding
from models.training.losses import MIN_TEMPERATURE, Objective, batch_loss

log = logging.getLogger(__name__)
_SPREAD_EVERY, _SPREAD_SAMPLE = 25, 1024  # steps between two looks at the spread; items looked at
_COLLAPSED_LOOKS = 4  # in a row, before a training ends
_MAX_COSINE, _MIN_RANK = 0.95, 2.0
_MAX_LOG_SCALE = -math.log(MIN_TEMPERATURE)


@dataclass(frozen=True)
class TowerPlan:
    """Settings of the training. lr: of BERT and the fusion; trigram_lr: of the hashed embedding.

    chunk: texts per pass through BERT (GradCache), 0 for all at once. matryoshka: prefixes of the
    vectors that are trained too. ema: decay of the averaged weights that are evaluated and kept, 0 for
    none. warmup_frac: of all steps. clip: greatest norm of the gradient. precision: auto, fp32 or bf16.
    """

    sampling: Sampling
    epochs: int
    lr: float
    trigram_lr: float
    objective: Objective = field(default_factory=Objective)
    matryoshka: tuple[int, ...] = ()
    max_steps: int = 0
    warmup_frac: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    chunk: int = 0
    ema: float = 0.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.epochs < 1 or min(self.lr, self.trigram_lr) <= 0.0:
            raise ValueError(f"{self}: epochs and learning rates must be > 0")
        if self.sampling.batch_size < 2:
            raise ValueError("batch_size=1: in-batch negatives need at least 2")
        if not 0.0 <= self.ema < 1.0:
            raise ValueError(f"ema={self.ema}: must be 0 (none) or below 1, e.g. 0.999")


class TowerTraining(Training[Batch]):
    """Two towers in training, with averaged weights and a temperature that may be learnt."""

    unit = "pairs"

    def __init__(self, towers: TwoTower, examples: Examples, plan: TowerPlan, teacher: Teacher | None = None) -> None:
        """teacher: scores the listed negatives of a batch; None: the towers learn from the pairs alone."""
        self.towers, self.examples, self.plan, self.teacher = towers, examples, plan, teacher
        start = torch.tensor(-math.log(plan.objective.temperature), device=towers.device)
        self.log_scale = nn.Parameter(start, plan.objective.learn_temperature)
        optimiser = _optimiser(towers, self.log_scale, plan)
        steps, length = examples.steps_per_epoch(plan.sampling), (plan.epochs, plan.warmup_frac, plan.clip)
        super().__init__(towers, optimiser, steps, *length, plan.max_steps, examples.group)
        self.collapsed_looks = 0
        self.chunk = plan.chunk  # halved when the GPU runs out of memory
        averaged = towers.state()[2] if plan.ema else {}
        self.averaged = {name: tensor.detach().clone() for name, tensor in averaged.items()}

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Batches of an epoch; each follows from (seed, epoch, number) alone."""
        return self.examples.batches(self.plan.sampling, epoch, skip)

    def weights(self) -> dict[str, Tensor]:
        """Tensors of both towers by name, each once."""
        return self.towers.state()[2]

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the tensors of both towers."""
        self.towers.load_tensors(tensors)

    def state(self) -> dict[str, Any]:
        """All that a killed process needs to continue."""
        own = {"averaged": self.averaged, "log_scale": self.log_scale.detach(), "collapsed_looks": self.collapsed_looks}
        return super().state() | own

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a training with the same plan and examples."""
        super().restore(state)
        self.averaged = {name: tensor.to(self.towers.device) for name, tensor in state["averaged"].items()}
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.collapsed_looks = int(state["collapsed_looks"])

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Context in which the towers hold the averaged weights, if there are any."""
        if not self.averaged:
            yield
            return
        own = {name: tensor.detach().clone() for name, tensor in self.weights().items()}
        self.load_weights(self.averaged)
        try:
            yield
        finally:
            self.load_weights(own)

    def step(self, batch: Batch) -> tuple[float, int, dict[str, float]]:
        """Update the weights once; returns the loss, the pairs read and the figures of the step.

        figures: temperature, padding_frac of the tokens of this process; every 25 steps the spread of its items.

        Raises:
            RuntimeError: the loss is no finite number, or the space has collapsed.
        """
        self.begin()
        loss, figures = self.gradient(batch)
        self._check(loss, figures)
        self.update()
        with torch.no_grad():
            self.log_scale.clamp_(0.0, _MAX_LOG_SCALE)
            for name, tensor in self.weights().items() if self.averaged else ():
                self.averaged[name].lerp_(tensor, 1.0 - self.plan.ema)
        figures["temperature"] = math.exp(-float(self.log_scale.detach()))
        return loss, len(batch), figures

    def gradient(self, batch: Batch) -> tuple[float, dict[str, float]]:
        """Add this process's part of the batch's gradient to the weights; returns the loss of the whole batch.

        Where the GPU runs out of memory, BERT reads half as many texts at a time from then on, and the batch is done
        again: the same gradient, but for the dropout. Several processes do it again together.

        Raises:
            RuntimeError: the memory does not do for one text at a time.
        """
        plan = self.plan
        columns = batch.columns.weigh(plan.objective, self.done / self.total)
        while True:
            queries, items = self._encoded(batch)
            loss = batch_loss(
                plan.objective, queries.vectors, items.vectors, columns, self.log_scale, self.group, plan.matryoshka
            )
            if self.teacher is not None:
                scale = math.exp(float(self.log_scale.detach()))
                loss += distil(self.teacher, batch, queries.vectors, items.vectors, scale, self.group)
            ran_out = self._ran_out_of_memory(queries, items)
            if not self.group.any(ran_out, self.towers.device):
                break
            del queries, items
            self.optimiser.zero_grad(set_to_none=True)
            if ran_out:
                self._halve_chunk(batch)
        figures = {"padding_frac": _padding(queries, items)}
        if self.done % _SPREAD_EVERY == 0 and len(items.vectors) > 1 and math.isfinite(loss):
            figures |= spread(items.vectors)
        return loss, figures

    def _encoded(self, batch: Batch) -> tuple[CachedEncoding, CachedEncoding]:
        """Both sides of the batch."""
        towers, precision = self.towers, self.plan.precision
        query_tower, item_tower = towers.trained_sides
        sides = ((query_tower, batch.queries, 0), (item_tower, batch.items, 1))
        while True:
            try:
                queries, items = (
                    CachedEncoding(
                        tower, store, towers.pad, towers.device, self._noise_seed(side), self.chunk, precision
                    )
                    for tower, store, side in sides
                )
            except torch.OutOfMemoryError:
                pass  # the error's frames hold memory: it is let go of before the next try
            else:
                return queries, items
            self._halve_chunk(batch)

    def _ran_out_of_memory(self, *encodings: CachedEncoding) -> bool:
        """Take the gradients to the weights; True where the memory did not do."""
        try:
            for encoding in encodings:
                encoding.backward()
        except torch.OutOfMemoryError:
            return True
        return False

    def _halve_chunk(self, batch: Batch) -> None:
        texts = self.chunk or max(len(batch.queries), len(batch.items))
        if texts == 1 or not self.towers.config.has_bert:
            raise RuntimeError(
                f"step {self.done + 1}: the GPU's memory does not do for one text at a time; lower batch_size or dim"
            )
        self.chunk = texts // 2
        torch.cuda.empty_cache()
        log.warning(
            "step %d: the GPU ran out of memory; BERT reads %d texts at a time from here on (gradcache_chunk_size=%d)",
            *(self.done + 1, self.chunk, self.chunk),
        )

    def _noise_seed(self, side: int) -> int:
        """Seed of the dropout of one side of this step, in this process."""
        words = [self.plan.sampling.seed, self.done, self.group.rank, side]
        # chunks count up from it
        return int(np.random.SeedSequence(words).generate_state(1)[0]) << 20

    def _check(self, loss: float, figures: Mapping[str, float]) -> None:
        plan = self.plan
        advice = (
            f"lower the learning rate (lr={plan.lr}, trigram_lr={plan.trigram_lr}) or raise the"
            f" temperature ({plan.objective.temperature}), and continue from the last good towers"
        )
        self.check_finite(loss, advice)
        if "mean_cosine" in figures and self.done >= self.total * plan.warmup_frac:
            self.collapsed_looks = self.collapsed_looks + 1 if has_collapsed(figures) else 0
        if self.collapsed_looks >= _COLLAPSED_LOOKS:
            raise RuntimeError(
                f"step {self.done + 1}: all items have nearly one vector (mean cosine"
                f" {figures['mean_cosine']:.3f}, effective rank {figures['effective_rank']:.1f}); {advice}"
            )


def spread(vectors: Tensor) -> dict[str, float]:
    """Spread of unit vectors [n >= 2, D], of the first 1,024 of them.

    A collapsed space has a falling loss and finds nothing. mean_cosine: over all pairs of vectors. effective_rank:
    directions in use, exp of the entropy of the normalised singular values (Roy and Vetterli 2007).
    """
    sample = vectors.detach()[:_SPREAD_SAMPLE].double()
    count = len(sample)
    together = float(sample.sum(dim=0).square().sum())
    values = torch.linalg.svdvals(sample)
    share = values / values.sum()
    entropy = -torch.special.xlogy(share, share).sum()
    return {"mean_cosine": (together - count) / (count * (count - 1)), "effective_rank": float(entropy.exp())}


def has_collapsed(spread_of: Mapping[str, float]) -> bool:
    """Whether vectors are nearly one point, or nearly one line."""
    return spread_of["mean_cosine"] > _MAX_COSINE or spread_of["effective_rank"] < _MIN_RANK


def _padding(queries: CachedEncoding, items: CachedEncoding) -> float:
    sizes = np.concatenate([queries.store.sizes, items.store.sizes])
    groups = [*queries.groups, *(rows + len(queries.store) for rows in items.groups)]
    return padding_frac(sizes, groups) if groups else 0.0


def _optimiser(towers: TwoTower, log_scale: Tensor, plan: TowerPlan) -> torch.optim.Optimizer:
    """AdamW; no decay for the hashed embedding, whose rare rows it would wear away, nor for biases."""
    named = list(towers.named_parameters())
    shallow = [weight for name, weight in named if ".trigrams." in name]
    deep = [weight for name, weight in named if ".trigrams." not in name]
    groups = [
        {"params": [part for part in deep if part.ndim > 1], "lr": plan.lr, "weight_decay": plan.weight_decay},
        {"params": [part for part in deep if part.ndim <= 1], "lr": plan.lr, "weight_decay": 0.0},
        {"params": shallow, "lr": plan.trigram_lr, "weight_decay": 0.0},
        {"params": [log_scale] if log_scale.requires_grad else [], "lr": plan.trigram_lr, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
