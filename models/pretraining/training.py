"""Training of a masked language model: plan, order of the texts, masks, and one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.pretraining.masking import MaskedBatch, Masker
from models.pretraining.mlm import MaskedLM, masked_loss
from models.text.ragged import Ragged
from models.text.text_store import buckets
from models.training.fit import Training, adamw

_ORDER, _MASKS = 1, 2  # seeds of the two things that are drawn
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class MaskedLMPlan:
    """Settings of pre-training. batch_tokens: of one step on average, padding included. warmup_frac: of all steps.

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


class MaskedLMTraining(Training[Rows]):
    """A masked language model in training. pieces, area: read so far, without and with padding."""

    unit = "pieces"

    def __init__(self, model: MaskedLM, texts: Ragged, masker: Masker, plan: MaskedLMPlan) -> None:
        """Every text must hold a word: `masker.has_words`."""
        self.lm, self.texts, self.masker, self.plan = model, texts, masker, plan
        # mean cost of a text: of a short one mostly nothing is drawn, and it is left out
        words = texts.lengths - 2
        self.costs = np.ceil(texts.lengths * (words * masker.mask_frac).clip(0, 1)).astype(np.int64)
        # texts of like length together; the lengths are the same in every epoch, so are the cuts
        steps_per_epoch = sum(1 for _ in buckets(self.costs, plan.batch_tokens))
        length = plan.epochs, plan.warmup_frac, plan.clip, plan.max_steps
        super().__init__(model, adamw(model, plan.lr, plan.weight_decay), steps_per_epoch, *length)
        self.pieces = self.area = 0

    @property
    def padded_frac(self) -> float:
        """Share of padding in all that was computed."""
        return 1.0 - self.pieces / self.area if self.area else 0.0

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Rows]:
        """Rows of each step of an epoch from the `skip`th on: like lengths together, in random order."""
        rng = np.random.default_rng([_ORDER, self.plan.seed, epoch])
        order = rng.permutation(len(self.texts))
        cuts = list(buckets(self.costs[order], self.plan.batch_tokens))
        for number in rng.permutation(len(cuts))[skip:]:
            yield order[cuts[number]]

    def mask(self, rows: Rows, epoch: int, number: int) -> MaskedBatch:
        """Mask the texts of a step; the noise of dropout is seeded along with the masks."""
        rng = np.random.default_rng([_MASKS, self.plan.seed, epoch, number])
        torch.manual_seed(int(rng.integers(2**63)))
        return self.masker.mask_words(self.texts.take(rows), rng)

    def step(self, batch: Rows) -> tuple[float, int, dict[str, float]]:
        """Update the weights once; returns the loss, the pieces read and the figures of the step.

        figures: accuracy on the masked pieces, before the update; padded_frac, the share of padding in what was
        computed.

        Raises:
            RuntimeError: the loss is no finite number.
        """
        masked = self.mask(batch, *divmod(self.done, self.steps_per_epoch))
        self.begin()
        loss, right = masked_loss(self.lm, masked, self.plan.precision)
        value = float(loss.detach())
        advice = f"lower the learning rate (lr={self.plan.lr}) and start again from the last good weights"
        self.check_finite(value, advice)
        loss.backward()  # type: ignore[no-untyped-call]
        self.update()
        pieces, area = int(masked.filled.sum()), masked.filled.size
        self.pieces, self.area = self.pieces + pieces, self.area + area
        return value, pieces, {"accuracy": float(right) / len(masked.targets), "padded_frac": 1.0 - pieces / area}

    def state(self) -> dict[str, Any]:
        """All that a killed process needs to continue."""
        return super().state() | {"pieces": self.pieces, "area": self.area}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a training with the same plan and texts."""
        super().restore(state)
        self.pieces, self.area = int(state["pieces"]), int(state["area"])
