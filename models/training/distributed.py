"""Processes of one training: each encodes its slice of a batch and compares it with the whole batch.

torch.distributed does the work (NCCL between GPUs, gloo between CPUs). In a single process every call costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class ProcessGroup:
    """This process among all: `rank` of `size`."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1

    def local_slice(self, count: int) -> slice:
        """Slice of `count` things that this process has; all slices but the last ones are of equal length."""
        each = -(-count // self.size)
        return slice(min(count, self.rank * each), min(count, (self.rank + 1) * each))

    def all_gather(self, local: Tensor, count: int) -> Tensor:
        """The rows [count, D] of all processes; local: those of this process's slice."""
        if self.size == 1:
            return local
        each = -(-count // self.size)
        padded = local.new_zeros(each, *local.shape[1:])
        padded[: len(local)] = local
        gathered = local.new_empty(each * self.size, *local.shape[1:])
        dist.all_gather_into_tensor(gathered, padded)
        return gathered[:count]

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def any(self, value: bool, device: torch.device) -> bool:
        """Whether it is true in one process at least."""
        return value if self.size == 1 else bool(self.all_reduce(torch.tensor([float(value)], device=device)) > 0)

    def all_reduce_gradients(self, weights: Iterable[Tensor]) -> None:
        """Sum the gradients of the weights over all processes, in one message."""
        if self.size == 1:
            return
        trained = [weight for weight in weights if weight.requires_grad]
        for weight in trained:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        grads = [weight.grad for weight in trained if weight.grad is not None]
        flat = self.all_reduce(torch.cat([grad.flatten() for grad in grads]))
        for grad, part in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def broadcast(self, value: T) -> T:
        """The first process's value, on every process."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]
