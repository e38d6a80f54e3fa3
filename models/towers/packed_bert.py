"""BERT for encoding on a CPU: tokens of many texts one after another, no padding, no mask, no graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.text.ragged import Ragged

_TOKENS = 2048  # of one pass: its activations stay near the core
Rows = NDArray[np.int64]


Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Layer:
    qkv: Step  # the three products of attention as one; queries scaled already
    joined: Step
    joined_norm: Step
    wide: Step
    act: Step
    narrow: Step
    narrow_norm: Step


class PackedBert:
    """The same vectors as BertEncoder with this BertModel, from a copy of its weights in fp32 or bf16.

    Texts of equal length make a rectangle without padding, so attention needs no mask; all other
    layers read the tokens of many rectangles at once. Pooling and norms of vectors are fp32.
    """

    def __init__(self, bert: Any, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.heads = int(bert.config.num_attention_heads)
        read = bert.embeddings
        self.words = read.word_embeddings.weight.detach()
        # every token is of the first kind
        self.places = (read.position_embeddings.weight + read.token_type_embeddings.weight[0]).detach()
        self.first_norm = self._norm(read.LayerNorm)
        self.layers = [self._layer(layer) for layer in bert.encoder.layer]

    def _layer(self, layer: Any) -> _Layer:
        own, joined = layer.attention.self, layer.attention.output
        scale = (own.query.out_features // self.heads) ** -0.5
        parts = [(own.query, scale), (own.key, 1.0), (own.value, 1.0)]
        weight, bias = (
            torch.cat([getattr(part, name).detach() * by for part, by in parts]).to(self.dtype)
            for name in ("weight", "bias")
        )
        return _Layer(
            partial(functional.linear, weight=weight, bias=bias),
            self._linear(joined.dense),
            self._norm(joined.LayerNorm),
            self._linear(layer.intermediate.dense),
            layer.intermediate.intermediate_act_fn,
            self._linear(layer.output.dense),
            self._norm(layer.output.LayerNorm),
        )

    def _linear(self, linear: Any) -> Step:
        return partial(functional.linear, **self._weights(linear))

    def _norm(self, norm: Any) -> Step:
        return partial(
            functional.layer_norm, normalized_shape=norm.normalized_shape, eps=norm.eps, **self._weights(norm)
        )

    def _weights(self, part: Any) -> dict[str, Tensor]:
        return {name: getattr(part, name).detach().to(self.dtype) for name in ("weight", "bias")}

    def __call__(self, tokens: Ragged) -> Tensor:
        """Vectors [rows, hidden] of token ids, fp32, of unit norm."""
        order = np.argsort(-tokens.lengths, kind="stable")
        vectors = torch.empty(len(tokens), self.words.shape[1])
        with torch.autocast("cpu", enabled=False):
            for rows in _passes(tokens.lengths, order):
                vectors[torch.from_numpy(rows)] = self._pass(tokens.take(rows))
        return functional.normalize(vectors, dim=1)

    def _pass(self, tokens: Ragged) -> Tensor:
        """Means over the tokens of each row; rows come in order of their length."""
        lengths = tokens.lengths
        kinds, firsts, counts = np.unique(-lengths, return_index=True, return_counts=True)
        groups = [
            (int(tokens.offsets[first]), int(count), int(-kind))
            for kind, first, count in zip(kinds, firsts, counts, strict=True)
        ]
        places = np.arange(len(tokens.values)) - np.repeat(tokens.offsets[:-1], lengths)
        ids = torch.from_numpy(tokens.values.astype(np.int64))
        states = self.words[ids] + self.places[torch.from_numpy(places)]
        states = self.first_norm(states.to(self.dtype))
        for layer in self.layers:
            states = self._through(layer, states, groups)
        means = [
            states[start : start + count * length].view(count, length, -1).float().mean(1)
            for start, count, length in groups
            if length
        ]
        empty = [
            states.new_zeros(count, states.shape[1], dtype=torch.float32) for _, count, length in groups if not length
        ]
        return torch.cat(means + empty)

    def _through(self, layer: _Layer, states: Tensor, groups: list[tuple[int, int, int]]) -> Tensor:
        qkv = layer.qkv(states)
        seen = torch.empty_like(states)
        for start, count, length in groups:
            if not length:
                continue
            part = qkv[start : start + count * length].view(count, length, 3, self.heads, -1)
            # without a mask, and on strided views, the fused kernel beats plain products
            query, key, value = part.permute(2, 0, 3, 1, 4)
            attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
            rows = seen[start : start + count * length].view(count, length, self.heads, -1)
            rows.copy_(attended.transpose(1, 2))
        states = layer.joined_norm(layer.joined(seen).add_(states))
        wide = layer.act(layer.wide(states))
        return layer.narrow_norm(layer.narrow(wide).add_(states))


def _passes(lengths: Rows, order: Rows) -> Iterator[Rows]:
    """Rows in order of length, about _TOKENS tokens together."""
    ends = np.cumsum(lengths[order])
    start = 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _TOKENS, "right")))
        yield order[start:stop]
        start = stop
