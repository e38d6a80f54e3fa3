"""Several towers as one: their vectors one behind the other, in one space and one index.

An item's vector is [p1; p2; ...] and a query's [w1 q1; w2 q2; ...], both at unit norm, so that a score is the weighted sum
of the members' cosines, and other weights change no item. Huang et al. 2020 (Facebook), Embedding-based Retrieval in Facebook
Search, 2006.11632, section 6 "embedding ensemble": one member for recall, one for precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.ann.exact import Vectors
from models.towers.config import TowerConfig
from models.towers.tower import Tower, query_tower


class Ensemble(nn.Module):
    """Towers of one side. weights [M]: of each member in a vector, of norm 1 together."""

    def __init__(self, members: Sequence[Tower], weights: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.weights = unit_weights(weights)

    @property
    def towers(self) -> list[Tower]:
        """The members, in their order."""
        return [member for member in self.members if isinstance(member, Tower)]

    def join(self, vectors: Sequence[Tensor]) -> Tensor:
        """The members' unit vectors [B, D_i] as one [B, sum of D_i] of norm 1."""
        return torch.cat([weight * part for weight, part in zip(self.weights, vectors, strict=True)], dim=1)


def unit_weights(weights: Sequence[float]) -> list[float]:
    """Weights at norm 1.

    Raises:
        ValueError: one is below 0, or none is above.
    """
    given = np.asarray(weights, np.float64)
    if (given < 0).any() or not given.any():
        raise ValueError(f"weights of members {list(weights)}: expected numbers from 0, one above it at least")
    scaled: list[float] = (given / np.linalg.norm(given)).tolist()
    return scaled


def ensemble_towers(config: TowerConfig, items: Sequence[Tower]) -> tuple[Ensemble, Ensemble]:
    """Item tower and query tower of an ensemble, given its members' item towers."""
    queries = [query_tower(member, tower) for member, tower in zip(config.member_configs, items, strict=True)]
    return Ensemble(items, [1.0] * len(items)), Ensemble(queries, config.member_weights)


def ensemble_config(members: Sequence[TowerConfig], weights: Sequence[float]) -> TowerConfig:
    """The config of an ensemble of towers.

    Raises:
        ValueError: they do not read the same features, have several heads, are cut, or are ensembles.
    """
    for config in members:
        if config.heads > 1 or config.cut or config.members or config.items_of:
            raise ValueError("a member has several heads, is cut, refreshed or an ensemble: expected plain towers")
        if replace(config, dim=members[0].dim) != members[0]:
            raise ValueError(
                "members differ in more than their dimension: train both with one preset, one from the other's start"
            )
    dim = sum(config.dim for config in members)
    own = tuple(config.to_dict() for config in members)
    return replace(members[0], dim=dim, members=own, member_weights=tuple(unit_weights(weights)))


def reweighted(vectors: Vectors, dims: Sequence[int], before: Sequence[float], after: Sequence[float]) -> Vectors:
    """Query vectors [Q, sum of D_i] of an ensemble with other weights; none may have been 0 before."""
    factors = np.asarray(unit_weights(after)) / np.asarray(unit_weights(before))
    changed: Vectors = (vectors * np.repeat(factors, dims)).astype(np.float32)
    return changed
