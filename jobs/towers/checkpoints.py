"""Where a killed training goes on: one file per partition under NIGHTSHELF_HOME, gone once it is published.

Tensors are safetensors, the rest is JSON beside them in the same file; nothing unpickles.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from jobs.lake.partitions import Partition, trial
from jobs.platform.tracking import home

log = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint of a partition. `key` says what is being trained from what: another key's is not used."""

    def __init__(self, partition: Partition, key: str) -> None:
        name = str(partition).replace("/", ",")
        # trials train partitions of the same name at the same time
        self.path = home() / "checkpoints" / trial() / f"{name}.safetensors"
        self.key = key

    def write(self, state: dict[str, object]) -> None:
        """Replace the checkpoint, atomically. state: tensors in dicts and lists, else what JSON holds."""
        tensors: dict[str, torch.Tensor] = {}
        rest = json.dumps(_split(state, tensors))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        save_file(tensors, fresh, metadata={"key": self.key, "rest": rest})
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def read(self) -> dict[str, object]:
        """Read the state written last; empty when there is none, or it is of another training."""
        if not self.path.is_file():
            return {}
        with safe_open(self.path, framework="pt") as file:
            metadata = file.metadata()
            if metadata.get("key") != self.key:
                log.warning("%s: of other inputs or settings; training starts anew", self.path)
                return {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = _join(json.loads(metadata["rest"]), tensors)
        assert isinstance(state, dict)
        return state

    def remove(self) -> None:
        """Delete it, when the partition is published."""
        Path(self.path).unlink(missing_ok=True)


def _split(value: object, tensors: dict[str, torch.Tensor]) -> object:
    """JSON with a place holder for each tensor; dicts become lists of pairs, for their int keys."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _split(one, tensors)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        return [_split(one, tensors) for one in value]
    return value


def _join(value: object, tensors: dict[str, torch.Tensor]) -> object:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _join(one, tensors) for key, one in value["dict"]}
    if isinstance(value, list):
        return [_join(one, tensors) for one in value]
    return value
