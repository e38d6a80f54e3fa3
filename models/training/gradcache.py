"""GradCache for towers of two encoders: the gradient of a loss over a whole batch, in little memory.

BERT and the fusion read chunks: first all of them without a graph; then the loss gives the gradient of the vectors; then
each chunk again, with a graph and the same dropout, to take its part of that gradient to the weights. The trigrams of
all texts are encoded in one pass each time, as their gradient is as large as their table. This costs a second forward
pass.
Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.text.text_store import TextStore, buckets, even_chunks
from models.towers.precision import autocast
from models.towers.two_tower import Tower
from models.training.batches import Rows

_FUSED = 1024  # texts whose fusion keeps its graph together
_TOKENS = {"cpu": 4096, "cuda": 65_536}  # of one pass through BERT when the whole graph is kept


class CachedEncoding:
    """Vectors of one side of a batch, and the backward pass from their gradient to the weights."""

    def __init__(
        self,
        tower: Tower,
        store: TextStore,
        pad: int,
        device: torch.device,
        noise: int,
        chunk: int = 0,
        precision: str = "auto",
    ) -> None:
        """chunk: texts of mean length per pass through BERT, 0 to keep the graph of all of them. noise:
        seed of the dropout. The texts of a pass are of like length, and the longest come first."""
        self.tower, self.store, self.chunk, self.noise = tower, store, chunk, noise
        self.pad, self.device, self.precision = pad, device, precision
        self.groups = _chunks(store.sizes, chunk, device) if tower.has_bert else []
        self.deep = self._deep() if tower.has_bert else None
        self.fused = self._fused()
        self.vectors = self.fused.detach().requires_grad_()

    def backward(self) -> None:
        """Take the gradient of `vectors` to the weights of the tower."""
        gradient = self.vectors.grad
        assert gradient is not None
        if not self.chunk or self.deep is None:
            self.fused.backward(gradient)  # type: ignore[no-untyped-call]
            return
        shallow = self._shallow()
        to_shallow, to_deep = self._through_fusion(shallow, gradient)
        if shallow is not None:
            shallow.backward(to_shallow)  # type: ignore[no-untyped-call]
        for number, rows in enumerate(self.groups):
            part = self._part(number, rows)
            part.backward(to_deep[self._places(rows)])  # type: ignore[no-untyped-call]

    def _shallow(self) -> Tensor | None:
        """Trigram vectors of all texts."""
        return self.tower.shallow(*self.store.trigram_batch(self.device)) if self.tower.has_trigrams else None

    def _fused(self) -> Tensor:
        """Vectors of all texts; of chunks, without a graph."""
        if not self.chunk or self.deep is None:
            return self.tower.fuse(self._shallow(), self.deep)
        with torch.no_grad():
            shallow = self._shallow()
            return torch.cat([self.tower.fuse(*_rows(rows, shallow, self.deep)) for rows in self._slices()])

    def _through_fusion(self, shallow: Tensor | None, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        """Gradients of both encoders' vectors, one chunk's graph at a time; that of the fusion goes to its weights."""
        assert self.deep is not None
        to_shallow, to_deep = torch.zeros_like(shallow) if shallow is not None else None, torch.zeros_like(self.deep)
        for rows in self._slices():
            leaves = _rows(rows, shallow, self.deep)
            self.tower.fuse(*leaves).backward(gradient[rows])  # type: ignore[no-untyped-call]
            for leaf, whole in zip(leaves, (to_shallow, to_deep), strict=True):
                if leaf is not None and whole is not None and leaf.grad is not None:
                    whole[rows] = leaf.grad
        return to_shallow, to_deep

    def _slices(self) -> Iterator[slice]:
        return (slice(start, start + _FUSED) for start in range(0, max(1, len(self.store)), _FUSED))

    def _deep(self) -> Tensor:
        if not self.chunk:
            parts = [self._part(number, rows) for number, rows in enumerate(self.groups)]
            return torch.cat(parts)[self._places(np.argsort(np.concatenate(self.groups)))]
        vectors: Tensor | None = None
        with torch.no_grad():
            for number, rows in enumerate(self.groups):
                part = self._part(number, rows)
                vectors = part.new_empty(len(self.store), part.shape[1]) if vectors is None else vectors
                vectors[self._places(rows)] = part
        assert vectors is not None
        return vectors

    def _part(self, number: int, rows: Rows) -> Tensor:
        torch.manual_seed(self.noise + number)
        batch = self.store.take(rows).token_batch(self.pad, self.device)
        # a context for each part: weights that autocast caches in a pass without a graph have no gradient
        with autocast(self.device, self.precision):
            return self.tower.deep(*batch)

    def _places(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows).to(self.device)


def _rows(rows: slice, *sides: Tensor | None) -> list[Tensor | None]:
    """Some rows of both encoders' vectors, as leaves."""
    return [side[rows].detach().requires_grad_() if side is not None else None for side in sides]


def _chunks(sizes: NDArray[np.int64], chunk: int, device: torch.device) -> list[Rows]:
    """Rows in groups of like length."""
    if not chunk:
        return list(buckets(sizes, _TOKENS.get(device.type, 4096)))
    return even_chunks(sizes, chunk)
