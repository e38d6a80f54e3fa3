"""A shard's work as one value that any process can be handed, and what it says when its share is done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from jobs.embeddings.delta import Delta, Mask
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin


@dataclass(frozen=True)
class Settings:
    """How items are encoded and stored; everything that may differ between two shards of one space."""

    precision: str
    storage: str
    token_budget: int
    chunk_items: int


@dataclass(frozen=True)
class Work:
    """What to encode and what to take over, of pinned inputs, into the folder `uri`.

    lake, trials: their roots, for a process that does not share the environment. todo: which of the
    shard's items are encoded, kept: which rows of the previous shard stay, as packed bits.
    """

    items: tuple[str, str]
    towers: tuple[str, str]
    previous: tuple[str, str] | None
    uri: str
    lake: str
    trials: str
    shard: int
    shards: int
    settings: Settings
    encoded: int
    n_items: int
    todo: bytes
    n_previous: int
    kept: bytes

    def mask(self, of: str) -> Mask:
        """`todo` or `kept` as booleans."""
        packed, count = (self.todo, self.n_items) if of == "todo" else (self.kept, self.n_previous)
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_)


@dataclass
class Done:
    """One share of the work: files written, items encoded and taken over, seconds by stage.

    tokens, padding: of the rectangles that were encoded. wall_s: from the first text read to the last
    vector written. loaded: times that the towers were read for it, 0 where the process had them already.
    """

    rank: int
    files: list[str] = field(default_factory=list)
    encoded: int = 0
    taken_over: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    padding: int = 0
    wall_s: float = 0.0
    process: str = ""
    loaded: int = 0

    def to_json(self) -> str:
        """As a line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Done:
        """Read it back."""
        return cls(**json.loads(line))


def total(shares: list[Done]) -> Done:
    """All shares as one: counts and stages added up, walls side by side."""
    seconds: Counter[str] = Counter()
    found = Done(-1)
    for one in shares:
        found.files += one.files
        found.encoded += one.encoded
        found.taken_over += one.taken_over
        found.tokens += one.tokens
        found.padding += one.padding
        found.loaded += one.loaded
        found.wall_s = max(found.wall_s, one.wall_s)
        seconds.update(one.seconds)
    found.seconds = dict(seconds)
    return found


def packed(delta: Delta) -> dict[str, Any]:
    """A delta as the fields of Work."""
    return {
        "encoded": delta.encoded,
        "n_items": len(delta.todo),
        "todo": np.packbits(delta.todo).tobytes(),
        "n_previous": len(delta.kept),
        "kept": np.packbits(delta.kept).tobytes(),
    }


def named(pinned: Pinned) -> tuple[str, str]:
    """A pinned version by address and attempt."""
    return str(pinned.partition), pinned.manifest.attempt


def pinned(name: tuple[str, str]) -> Pinned:
    """The same version, held by another process."""
    return pin(Partition.parse(name[0]), attempt=name[1])
