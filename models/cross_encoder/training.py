"""Training of a cross-encoder: judged or clicked pairs, and negatives drawn beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from models.cross_encoder.model import CrossEncoder, PairTokens, Scores
from models.text.ragged import Ragged
from models.training.batches import Known, Rows, batches_of
from models.training.examples import drawn_from
from models.training.fit import Training, adamw

_ORDER, _DRAWS = 3, 4  # seeds of the two things that are drawn
_POSITIVE = 0.5  # target from which an example has negatives drawn beside it


@dataclass(frozen=True)
class PairExamples:
    """Pairs of a query row and an item row with the probability that they should get.

    known: positives of every split, never a drawn negative. mined: item rows of each query row that negatives are
    drawn from; a query without a list draws from the whole catalogue of `items` items, as all do without `mined`.
    """

    query: Rows
    item: Rows
    target: Scores
    known: Known
    items: int
    mined: Ragged | None = None

    def __len__(self) -> int:
        return len(self.query)

    def with_drawn(self, rows: Rows, per_positive: int, rng: np.random.Generator) -> tuple[Rows, Rows, Scores]:
        """Queries, items and targets of some examples, and of the negatives drawn beside the positive ones."""
        query = np.repeat(self.query[rows[self.target[rows] >= _POSITIVE]], per_positive)
        item = rng.integers(0, self.items, len(query))
        if self.mined is not None and len(query):
            listed, have = drawn_from(self.mined, query, 1, rng)
            item = np.where(have, listed, item[:, None])[:, 0]
        wrong = ~self.known.contains(query, item)
        query, item = query[wrong], item[wrong]
        target = np.concatenate([self.target[rows], np.zeros(len(query), np.float32)])
        return np.concatenate([self.query[rows], query]), np.concatenate([self.item[rows], item]), target


@dataclass(frozen=True)
class CrossEncoderPlan:
    """Settings of the training. batch_size: examples of a step. drawn: negatives beside a positive example, drawn anew
    in each epoch. warmup_frac: of all steps. clip: greatest norm of the gradient. precision: auto, fp32 or bf16."""

    epochs: int
    batch_size: int
    drawn: int
    lr: float
    seed: int = 0
    max_steps: int = 0
    warmup_frac: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: str = "auto"


class CrossEncoderTraining(Training[Rows]):
    """A cross-encoder in training, by the cross-entropy of each pair."""

    unit = "pairs"

    def __init__(self, model: CrossEncoder, tokens: PairTokens, examples: PairExamples, plan: CrossEncoderPlan) -> None:
        self.cross, self.tokens, self.examples, self.plan = model, tokens, examples, plan
        steps = len(examples) // min(plan.batch_size, max(1, len(examples)))
        length = plan.epochs, plan.warmup_frac, plan.clip, plan.max_steps
        super().__init__(model, adamw(model, plan.lr, plan.weight_decay), steps, *length)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Rows]:
        """Rows of the examples of each step of an epoch from the `skip`th on, in random order."""
        order = np.random.default_rng([_ORDER, self.plan.seed, epoch]).permutation(len(self.examples))
        yield from batches_of(order, self.plan.batch_size)[skip:]

    def step(self, batch: Rows) -> tuple[float, int, dict[str, float]]:
        """Update the weights once; returns the loss in nats, the pairs read and the figures of the step.

        Raises:
            RuntimeError: the loss is no finite number.
        """
        plan, rng = self.plan, np.random.default_rng([_DRAWS, self.plan.seed, self.done])
        query, item, target = self.examples.with_drawn(batch, plan.drawn, rng)
        torch.manual_seed(int(rng.integers(2**63)))  # of the dropout
        self.begin()
        scores = self.cross(self.tokens(query, item), plan.precision)
        loss = functional.binary_cross_entropy_with_logits(scores, torch.from_numpy(target).to(scores.device))
        value = float(loss.detach())
        self.check_finite(value, f"lower the learning rate (lr={plan.lr})")
        loss.backward()  # type: ignore[no-untyped-call]
        self.update()
        return value, len(query), {"positive_frac": float(np.mean(target >= _POSITIVE))}
