"""Margin MSE: the towers learn the difference that a teacher makes between a positive and a negative.

Hofstaetter et al. 2020, Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation,
section 3.2; RocketQA and JD teach their towers with such a teacher. The mean over the queries' own listed negatives of
((cos(q, d+) - cos(q, d)) / t - margin)^2, the margin in the teacher's log odds. A negative that the teacher finds as
good as the positive is no longer pushed away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.training.batches import Rows
from models.training.distributed import ProcessGroup
from models.training.examples import Batch
from models.training.losses import Weights


@dataclass(frozen=True)
class Teacher:
    """score: log odds of pairs (query row, item row). queries: rows from this one on are made-up queries, which are not
    taught. weight: of the margin MSE beside the loss of the training."""

    score: Callable[[Rows, Rows], Weights]
    queries: int
    weight: float

    def lesson(self, batch: Batch, rows: slice) -> Lesson:
        """Margins of the listed negatives of these queries of the batch."""
        columns = batch.columns
        listed, present = columns.listed_negatives()
        negative, weight = listed[rows], present[rows] & (batch.query[rows] < self.queries)[:, None]
        row, place = np.nonzero(weight)
        query, positive = batch.query[rows], columns.positive[rows]
        # a positive is scored once for all of its negatives
        taught = np.unique(row)
        right = np.zeros(len(query), np.float32)
        right[taught] = self.score(query[taught], columns.item[positive[taught]])
        margin = np.zeros(weight.shape, np.float32)
        margin[row, place] = right[row] - self.score(query[row], columns.item[negative[row, place]])
        return Lesson(positive, negative, margin, weight.astype(np.float32))


@dataclass(frozen=True)
class Lesson:
    """positive [R]: column of each query's item. negative [R, H]: columns of its negatives; margin [R, H]: the
    teacher's score of the positive less that of the negative; weight [R, H]: 0 where there is none."""

    positive: Rows
    negative: Rows
    margin: Weights
    weight: Weights

    def loss(self, queries: Tensor, items: Tensor, scale: float) -> Tensor:
        """Weighted sum of the squared differences of margins. queries [R, D], items [C, D]: unit norm."""
        positive, negative, margin, weight = (
            torch.from_numpy(side).to(items.device) for side in (self.positive, self.negative, self.margin, self.weight)
        )
        # not items[...]: threads would add up its gradient in an order of their own
        right = (queries * items.index_select(0, positive)).sum(dim=1)
        near = items.index_select(0, negative.flatten()).view(*negative.shape, -1)
        apart = scale * (right[:, None] - torch.einsum("rd,rhd->rh", queries, near))
        total: Tensor = ((apart - margin).square() * weight).sum()
        return total


def distil(teacher: Teacher, batch: Batch, queries: Tensor, items: Tensor, scale: float, group: ProcessGroup) -> float:
    """Compute the margin MSE of the whole batch times the teacher's weight, and add its gradient to the vectors'.

    queries and items: leaves, unit norm, this process's slices of the B pairs and of the C columns. scale: 1 / t.
    """
    count = len(batch.columns.item)
    lesson = teacher.lesson(batch, group.local_slice(len(batch)))
    own, every = queries.detach().requires_grad_(), group.all_gather(items.detach(), count).requires_grad_()
    total = lesson.loss(own, every, scale)
    local = torch.tensor([float(total.detach()), float(lesson.weight.sum())], dtype=torch.float64, device=items.device)
    loss, taught = group.all_reduce(local).tolist()
    share = teacher.weight / max(1.0, taught)
    (total * share).backward()
    assert own.grad is not None
    assert every.grad is not None
    torch.autograd.backward([queries, items], [own.grad, group.all_reduce(every.grad)[group.local_slice(count)]])
    return float(share * loss)
