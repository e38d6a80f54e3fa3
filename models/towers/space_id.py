"""Space id: vectors are comparable only within one space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from models.towers.two_tower import TwoTower


def fingerprint(config: Mapping[str, object], tokenizer_json: str, tensors: Mapping[str, Tensor]) -> str:
    """16 hex digits over everything that determines a vector.

    config carries dimension, metric, trigram settings, text template and normalisation; the
    tokenizer counts by its content, not its spelling; the tensors by name, type, shape and bytes.
    """
    digest = hashlib.sha256()
    for part in (config, json.loads(tokenizer_json)):
        digest.update(json.dumps(part, sort_keys=True, ensure_ascii=False).encode() + b"\0")
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()[:16]


def space_id(towers: TwoTower) -> str:
    """16 hex digits over weights, tokenizer and settings: vectors compare only within one space."""
    return fingerprint(*towers.state())


def items_space(towers: TwoTower) -> str:
    """Space id of the embeddings of these towers: their own, or that of the towers whose items they keep."""
    return towers.config.items_of or space_id(towers)
