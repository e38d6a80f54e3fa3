"""The processes of one training: each encodes its share of a batch, all compare with everything.

torch.distributed does the work (NCCL between GPUs, gloo between CPUs); alone, every call costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class Team:
    """This process among all: `rank` of `size`."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1

    def share(self, count: int) -> slice:
        """Which of `count` things are this process's; all shares but the last ones are equal."""
        each = -(-count // self.size)
        return slice(min(count, self.rank * each), min(count, (self.rank + 1) * each))

    def gather(self, mine: Tensor, count: int) -> Tensor:
        """The rows [count, D] of all processes, each giving those of its share."""
        if self.size == 1:
            return mine
        each = -(-count // self.size)
        padded = mine.new_zeros(each, *mine.shape[1:])
        padded[: len(mine)] = mine
        found = mine.new_empty(each * self.size, *mine.shape[1:])
        dist.all_gather_into_tensor(found, padded)
        return found[:count]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def total_gradients(self, weights: Iterable[Tensor]) -> None:
        """Sum the weights' gradients over all processes, in one message."""
        if self.size == 1:
            return
        trained = [weight for weight in weights if weight.requires_grad]
        for weight in trained:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        grads = [weight.grad for weight in trained if weight.grad is not None]
        flat = self.total(torch.cat([grad.flatten() for grad in grads]))
        for grad, part in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def told(self, value: T) -> T:
        """What the first process says, on every process."""
        if self.size == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]
