"""How towers are trained: the settings, and the optimiser and schedule that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.towers.two_tower import TwoTower
from models.training.examples import Sampling
from models.training.losses import Objective


@dataclass(frozen=True)
class Plan:
    """How to train. lr: of BERT and the joining layers; trigram_lr: of the hashed embedding.

    chunk: texts per pass through BERT (GradCache), 0 for all at once. matryoshka: prefixes of the
    vectors that are trained too. ema: decay of the averaged weights that are judged and kept, 0 for
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


def optimiser_of(towers: TwoTower, log_scale: Tensor, plan: Plan) -> torch.optim.Optimizer:
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
        {"params": [log_scale] if log_scale.requires_grad else [], "lr": plan.trigram_lr, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def share_of_lr(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
