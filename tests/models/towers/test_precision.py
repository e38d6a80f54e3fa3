"""Products that run in bf16."""

from __future__ import annotations

import pytest
import torch

from models.towers import precision
from models.towers.precision import autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bf16_where_it_is_fast(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    layer, rows = torch.nn.Linear(4, 4), torch.ones(2, 4)
    kinds = {}
    for asked in precision.PRECISIONS:
        with autocast(CPU, asked):
            kinds[asked] = layer(rows).dtype
    auto = torch.bfloat16 if fast else torch.float32
    assert kinds == {"auto": auto, "fp32": torch.float32, "bf16": torch.bfloat16}


@pytest.mark.parametrize(("amx", "avx512", "fast"), [(True, False, True), (False, True, True), (False, False, False)])
def test_a_cpu_of_either_kind_is_fast(amx: bool, avx512: bool, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert precision.has_fast_bf16(CPU) == fast


def test_a_device_without_either_stays_in_fp32() -> None:
    assert not precision.has_fast_bf16(torch.device("meta"))


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="precision='fp16': expected one of auto, fp32, bf16"):
        autocast(CPU, "fp16")
