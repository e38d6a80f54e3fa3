"""A checkpoint gives back what it was given, and only to whom it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from jobs.lake.partitions import TOWERS
from jobs.towers.training_loop import Checkpoint

PLACE = TOWERS.at(ds="2026-01-31", step="in_batch")


def test_tensors_numbers_lists_and_int_keys_come_back(lake: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state = {
        "state": {0: {"step": torch.tensor(3.0), "avg": shared}, 1: {"avg": shared.T}},
        "groups": [{"lr": 0.1, "params": [0, 1], "fused": True, "none": None}],
        "rng": torch.arange(5, dtype=torch.uint8),
        "nothing": [],
        "text": '{"tensor": "0"}',
    }
    kept = Checkpoint(PLACE, "key")
    assert kept.read() == {}
    kept.write(state)
    found = kept.read()
    assert found["groups"] == state["groups"]
    assert found["nothing"] == []
    assert found["text"] == state["text"]
    for one in (0, 1):
        expected, got = state["state"][one]["avg"], found["state"][one]["avg"]  # type: ignore[index]
        assert torch.equal(expected, got)
    assert found["rng"].dtype is torch.uint8  # type: ignore[attr-defined]

    assert Checkpoint(PLACE, "another").read() == {}
    kept.remove()
    kept.remove()
    assert kept.read() == {}
    assert not list(kept.path.parent.iterdir())


def test_a_checkpoint_of_an_earlier_format_is_refused_with_a_message(
    lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its metadata lack the format; the key alone would let it pass."""
    kept = Checkpoint(PLACE, "key")
    kept.path.parent.mkdir(parents=True)
    save_file({"0": torch.ones(1)}, kept.path, metadata={"key": "key", "rest": '{"dict": [["worse", 1]]}'})
    assert kept.read() == {}
    assert "written by another version of this code; training starts anew" in caplog.text
