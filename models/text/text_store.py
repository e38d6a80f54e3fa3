"""Texts as the encoders read them: whole stores on the CPU, and batches on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.text.ragged import Ragged, concatenate


@dataclass(frozen=True)
class TextStore:
    """Features of many texts, made once, in memory or mapped from files; batches join by row."""

    trigrams: Ragged
    tokens: Ragged

    def __len__(self) -> int:
        return len(self.trigrams)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Size of each text in tokens; in trigrams where the store has no tokens."""
        tokens = self.tokens.lengths
        return tokens if tokens.any() else self.trigrams.lengths

    def take(self, rows: NDArray[np.int64]) -> TextStore:
        """Rows in the order given."""
        return TextStore(self.trigrams.take(rows), self.tokens.take(rows))

    def span(self, start: int, stop: int) -> TextStore:
        """Rows start to stop, without a copy of their features."""
        return TextStore(self.trigrams.span(start, stop), self.tokens.span(start, stop))

    def thin(self, dropped_frac: float, rng: np.random.Generator) -> TextStore:
        """Leave out trigrams and words at random, so that each epoch reads another misspelling."""
        if dropped_frac <= 0.0:
            return self
        kept = rng.random(len(self.trigrams.values), dtype=np.float32) >= dropped_frac
        return TextStore(self.trigrams.keep(kept), self.tokens)

    def trigram_batch(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tensors of all rows: trigram ids [T] and their offsets [B]."""
        # copies where the arrays are read-only files, which torch refuses
        values = np.require(self.trigrams.values, np.int32, "W")
        offsets = np.require(self.trigrams.offsets[:-1], np.int64, "W")
        return _moved(values, device, torch.int64), _moved(offsets, device)

    def token_batch(self, pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tensors of all rows: token ids [B, L], and where there are tokens."""
        padded, filled = self.tokens.pad(pad)
        return _moved(padded, device), _moved(filled, device)


def _moved(array: NDArray[Any], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The array on the device; to a GPU through pinned memory, so that the copy overlaps with earlier work."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, dtype or tensor.dtype, non_blocking=True)


def padded(sizes: NDArray[np.int64], groups: Iterable[NDArray[np.int64]]) -> tuple[int, int]:
    """(tokens, padding) of the rectangles that some groups of rows make."""
    used = paid = 0
    for rows in groups:
        used += int(sizes[rows].sum())
        paid += len(rows) * int(sizes[rows].max(initial=0))
    return used, paid - used


def padding_frac(sizes: NDArray[np.int64], groups: Iterable[NDArray[np.int64]]) -> float:
    """Share of padding in the rectangles that some groups of rows make; 0 without any."""
    used, padding = padded(sizes, groups)
    return padding / max(1, used + padding)


def buckets(sizes: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Rows in groups of like size: rows x longest <= budget, or one row alone."""
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, budget // max(1, int(sizes[order[start]])))
        yield order[start:stop]
        start = stop


def even_chunks(sizes: NDArray[np.int64], chunk: int) -> list[NDArray[np.int64]]:
    """Rows in groups of like size, each of as many tokens as `chunk` texts of mean size.

    About as many groups as of `chunk` texts each, but the longest texts, which differ most, are in
    smaller ones: on titles and queries of a shop this saves a quarter to half of the padding, and half
    of the largest rectangle.
    """
    if not len(sizes):
        return []
    return list(buckets(sizes, max(int(sizes.max()), int(sizes.mean() * chunk))))


def concatenate_stores(parts: Sequence[TextStore]) -> TextStore:
    """The rows of all parts, one after another."""
    trigrams = concatenate([part.trigrams for part in parts])
    return TextStore(trigrams, concatenate([part.tokens for part in parts]))
