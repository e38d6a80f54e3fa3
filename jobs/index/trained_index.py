"""A published trained index: a FAISS index without items, canary queries for later checks, and the tried settings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from jobs.lake.read import Pinned

TRAINED, CANARIES, FRONT = "trained.faiss", "canaries.npy", "front.json"
FILES = (TRAINED, CANARIES, FRONT)


@dataclass(frozen=True)
class TrainedIndex:
    """trained: the empty index. canaries [Q, D]: query vectors of the day on which it was trained."""

    pinned: Pinned
    trained: faiss.Index
    canaries: NDArray[np.float32]

    @classmethod
    def open(cls, pinned: Pinned) -> TrainedIndex:
        """Check the files and read them."""
        trained = faiss.read_index(str(pinned.path(TRAINED)))
        return cls(pinned, trained, np.load(pinned.path(CANARIES)))

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of its manifest."""
        return self.pinned.facts

    @property
    def factory(self) -> str:
        """FAISS factory string of the index to build."""
        return str(self.facts["factory"])

    @property
    def id(self) -> str:
        """16 hex digits; codes of one id may be merged."""
        return str(self.facts["quantiser_id"])

    def copy(self, folder: Path) -> None:
        """Copy its files, each checked against the manifest."""
        for name in FILES:
            shutil.copyfile(self.pinned.path(name), folder / name)
