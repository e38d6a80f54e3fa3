"""The seam between the embedding job and a model: an encoder reads items and returns one unit vector for each.

A room with a model of its own, such as an image encoder, writes one `Encoder` and a command that calls
`jobs.embeddings.embed_shard.embed_shard`. Delta, id check, engines, shards and files are the same for every encoder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from jobs.lake.arrow import Strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin

Features = TypeVar("Features")
Vectors = NDArray[np.float32]
PinnedName = tuple[str, str]  # address and attempt: how a pinned version travels to another process


class Encoder(ABC, Generic[Features]):
    """Turns items into unit vectors of one space.

    width         D, the dimension of the vectors
    hash_columns  columns of `items` that `content_hashes` reads
    columns       columns of `items` that `features` reads; both methods receive item_id and hash_columns besides
    """

    width: int
    hash_columns: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    @abstractmethod
    def spaces(self) -> tuple[str, ...]:
        """Ids of the spaces that the vectors may be published in; the encoder's own is first."""

    @property
    def settings(self) -> dict[str, object]:
        """Settings that change a vector and are not part of the space id; they become facts of the shard.

        A shard that was made with other settings is not taken over.
        """
        return {}

    @abstractmethod
    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        """Hash [n] of all content that decides an item's vector; null: unknown, so the item is always encoded.

        An item whose hash equals that of an earlier day keeps its vector. Whatever `features` reads must therefore be
        in the hash: for a picture its bytes, not its address.
        """

    @abstractmethod
    def features(self, items: pa.RecordBatch) -> Features:
        """Read and prepare a chunk of items. This runs in a thread of its own while another chunk is encoded."""

    @abstractmethod
    def encode(self, features: Features) -> Vectors:
        """Unit vectors [n, D], in the order of the items."""

    def padding(self, features: Features) -> tuple[int, int]:
        """(tokens, padding tokens) of what `encode` computes for a chunk; (0, 0) where nothing is padded."""
        return 0, 0


@dataclass(frozen=True)
class EncoderSource:
    """The way each process of a shard loads the encoder: torchrun's processes and Spark's tasks receive this value.

    encoder: a class or a function of a module, called with the pinned inputs, `device` and the options.
    """

    encoder: Callable[..., Encoder[Any]]
    inputs: tuple[PinnedName, ...] = ()
    options: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, encoder: Callable[..., Encoder[Any]], *inputs: Pinned, **options: object) -> EncoderSource:
        """Name the encoder's pinned inputs and its options."""
        return cls(encoder, tuple(map(name_of, inputs)), tuple(options.items()))

    def load(self, device: str | torch.device) -> Encoder[Any]:
        """Load the encoder onto a device."""
        return self.encoder(*map(pin_named, self.inputs), device=torch.device(device), **dict(self.options))


def name_of(pinned: Pinned) -> PinnedName:
    """Address and attempt of a pinned version."""
    return str(pinned.partition), pinned.manifest.attempt


def pin_named(name: PinnedName) -> Pinned:
    """Pin the same version in another process."""
    return pin(Partition.parse(name[0]), attempt=name[1])
