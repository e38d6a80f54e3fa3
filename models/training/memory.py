"""Memory of a training step that keeps BERT's whole graph, and the chunk (GradCache) for which a budget does."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.towers.config import TowerConfig

MEMORY_FRAC = 0.25  # of the device's memory that the graph may take
LEAST_CHUNK = 32


@dataclass(frozen=True)
class StepTexts:
    """Texts of one step in one process: their number, and their mean tokens."""

    count: float
    tokens: float


def graph_bytes(config: TowerConfig, tokens: float) -> float:
    """Bytes of the activations that one text leaves for the backward pass, in fp32.

    Korthikanti et al. 2022, Reducing Activation Recomputation in Large Transformer Models, equation 2, for 4 bytes a
    number: per layer 2 x tokens x hidden x (34 + 5 x heads x tokens / hidden).
    """
    hidden, heads, layers = (
        int(config.bert[name]) for name in ("hidden_size", "num_attention_heads", "num_hidden_layers")
    )
    return layers * 2 * tokens * hidden * (34 + 5 * heads * tokens / hidden)


def chunk_within(config: TowerConfig, sides: list[StepTexts], budget_bytes: float) -> int:
    """Texts per pass through BERT: 0, all at once, where the graph fits into the budget; else a power of two."""
    if not config.has_bert:
        return 0
    total = sum(side.count * graph_bytes(config, side.tokens) for side in sides)
    if total <= budget_bytes:
        return 0
    largest = max(graph_bytes(config, side.tokens) for side in sides)
    chunk = LEAST_CHUNK
    while 2 * chunk * largest <= budget_bytes:
        chunk *= 2
    return chunk


def device_bytes(device: torch.device, machine_bytes: int) -> int:
    """Memory of the device: a GPU's own, or the machine's."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else machine_bytes
