"""The item tower as an encoder: it reads an item's text, whose hash `items` states."""

from __future__ import annotations

from functools import cached_property

import pyarrow as pa
import torch

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.encoder import Encoder, Vectors
from jobs.lake.arrow import Strings, texts
from jobs.lake.read import Pinned
from models.text.text_store import TextStore
from models.towers.encode import encode_store, rectangles, token_budget
from models.towers.space_id import items_space, space_id


class ItemTower(Encoder[TextStore]):
    """Encodes item texts. precision and token_budget: as `python -m jobs embeddings --help` explains them."""

    hash_columns = ("content_hash",)
    columns = ("text",)

    def __init__(self, towers: Pinned, *, device: torch.device, precision: str = "auto", token_budget: int = 0) -> None:
        self.towers = load_towers(towers).to(device).eval()
        self.width = self.towers.config.width
        self.precision, self.asked_budget = precision, token_budget

    @cached_property
    def spaces(self) -> tuple[str, ...]:
        """Their own space, and that of the towers whose item tower they keep."""
        return space_id(self.towers), items_space(self.towers)

    @property
    def settings(self) -> dict[str, object]:
        """A vector in bf16 differs from one in fp32."""
        return {"precision": self.precision}

    @property
    def budget(self) -> int:
        """Tokens of one forward pass."""
        return token_budget(self.towers.device, self.asked_budget)

    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        """The hash of the text, as `items` has it."""
        return items.column("content_hash")

    def features(self, items: pa.RecordBatch) -> TextStore:
        """Trigrams and tokens of the texts; the tokenizer lets other threads work."""
        return self.towers.store(texts(items.column("text")))

    def encode(self, features: TextStore) -> Vectors:
        """Unit vectors [n, D]."""
        return encode_store(self.towers.forward_items, features, self.budget, self.towers, self.precision)

    def padding(self, features: TextStore) -> tuple[int, int]:
        """Tokens of the rectangles that BERT reads, and their padding."""
        return rectangles(self.towers, features.sizes, self.budget)
