"""A published hydration, as the commands of an index use it: levels for the items, weights for the queries."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.embeddings.hydrated import ItemLevels, hydrated
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from models.ann.exact import Vectors
from models.ann.hydrate import hydrated_queries

log = logging.getLogger(__name__)
ON, OFF = "on", "off"


@dataclass(frozen=True)
class Hydration:
    """names [F] of columns of `item_features`; their levels by item; weights [F]. id: of the levels, which codes depend on."""

    names: tuple[str, ...]
    weights: Vectors
    levels: ItemLevels
    id: str

    @classmethod
    def open(cls, inputs: HydrationInputs) -> Hydration | None:
        """Read it; None where there is none, or where it was decided that plain vectors are as good."""
        if inputs.hydration is None or inputs.item_features is None:
            return None
        facts = inputs.hydration.facts
        if facts["decision"] != ON:
            log.info("%s: %s; vectors stay as they are", inputs.hydration.partition, facts["reason"])
            return None
        names = tuple(facts["names"])
        covered = "/".join((*names, inputs.item_features.manifest.content_sha256))
        levels_id = hashlib.sha256(covered.encode()).hexdigest()[:16]
        weights = np.array(facts["weights"], np.float32)
        return cls(names, weights, ItemLevels.read(inputs.item_features, names), levels_id)

    def queries(self, vectors: Vectors, dim: int) -> Vectors:
        """Query vectors with the weights behind them. dim: of the items' vectors."""
        return hydrated_queries(vectors, self.weights, dim)


@dataclass(frozen=True)
class HydrationInputs:
    """The pinned weights, and the numbers that they weigh; None where they are not given."""

    hydration: Pinned | None = None
    item_features: Pinned | None = None

    @classmethod
    def pin(cls, hydration: Partition, item_features: Partition) -> HydrationInputs:
        """Pin both; the numbers alone are of no use here."""
        if not hydration:
            return cls()
        return cls(pin(hydration), pin(item_features))

    @property
    def all(self) -> list[Pinned]:
        """Both as inputs of a manifest."""
        return [pinned for pinned in (self.hydration, self.item_features) if pinned is not None]


def check_flags(hydration: Partition, item_features: Partition) -> None:
    """Refuse weights without the numbers that they weigh.

    Raises:
        ValueError: item_features is not given.
    """
    if hydration and not item_features:
        raise ValueError(f"hydration={hydration}: weighs numbers of items, give item_features too")


def check_numbers(trained_index: Pinned, hydration: Hydration | None) -> None:
    """Refuse a trained index whose vectors carry other numbers.

    Raises:
        RuntimeError: the numbers differ.
    """
    names = list(hydration.names) if hydration is not None else []
    if (trained := trained_index.facts.get("hydrated", [])) != names:
        raise RuntimeError(
            f"{trained_index.partition}: trained on vectors with {', '.join(trained) or 'no numbers'}, found"
            f" {', '.join(names) or 'none'} in the hydration; give all commands of an index the same hydration"
        )


def facts_of(hydration: Hydration | None) -> dict[str, Any]:
    """Facts of codes and bundles, which must agree: names of the numbers, and the id of their levels; empty without any."""
    return {} if hydration is None else {"names": list(hydration.names), "levels": hydration.id}


def with_levels(shards: list[Pinned], hydration: Hydration | None) -> list[Pinned]:
    """The shards with the levels of their items; as they are where nothing is hydrated."""
    return hydrated(shards, hydration.levels if hydration is not None else None)
