"""bf16 where the device multiplies it faster than fp32, fp32 elsewhere."""

from __future__ import annotations

import torch


def has_fast_bf16(device: torch.device) -> bool:
    """A GPU of bf16 units, or a CPU with AMX; AVX-512 bf16 alone is no faster than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device) -> torch.autocast:
    """A context in which matrix products run in bf16 if the device is fast at it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))
