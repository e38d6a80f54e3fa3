"""GradCache: the gradient of a loss over a whole batch, in the memory of one chunk.

Vectors of all chunks first, without graph; then the loss's gradient with respect to the vectors;
then each chunk again, with graph and the same dropout, pushing its vectors' gradient into the
weights. Costs a second forward pass. Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from models.texts import TextStore

Side = tuple[Callable[[TextStore], Tensor], TextStore]


def backward_in_chunks(
    sides: Sequence[Side], loss_of: Callable[[list[Tensor]], Tensor], chunk: int
) -> float:
    """Add the loss's gradient to the weights, `chunk` texts at a time, and return the loss.

    sides: for each tower call its forward method and the texts; loss_of takes their vectors in the
    same order. Texts of like length share a chunk.
    """
    vectors, noise = [], []
    for forward, store in sides:
        found = None
        for rows in _chunks(store, chunk):
            noise.append(_noise())
            with torch.no_grad():
                part = forward(store.take(rows)).float()
            found = part.new_empty(len(store), part.shape[1]) if found is None else found
            found[torch.from_numpy(rows)] = part
        assert found is not None
        vectors.append(found.requires_grad_())
    loss = loss_of(vectors)
    loss.backward()  # type: ignore[no-untyped-call]
    after = _noise()
    remembered = iter(noise)
    for (forward, store), whole in zip(sides, vectors, strict=True):
        assert whole.grad is not None
        for rows in _chunks(store, chunk):
            _set_noise(next(remembered))
            part = forward(store.take(rows)).float()
            part.backward(whole.grad[torch.from_numpy(rows)])  # type: ignore[no-untyped-call]
    _set_noise(after)
    return float(loss.detach())


def _chunks(store: TextStore, chunk: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    order = np.argsort(-store.sizes, kind="stable")
    for start in range(0, len(order), chunk):
        yield order[start : start + chunk]


def _noise() -> tuple[Tensor, list[Tensor]]:
    return (
        torch.get_rng_state(),
        torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    )


def _set_noise(state: tuple[Tensor, list[Tensor]]) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
