"""Two towers: text -> unit vector, one for queries and one for items, joined by cosine similarity.

Each tower joins a BERT encoder with a shallow encoder of words and trigrams.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from models.config import PRESETS, TowerConfig
from models.encoders import BertEncoder, TrigramEncoder, new_bert
from models.normalise import normalise_query
from models.ragged import Ragged, empty
from models.space import fingerprint
from models.texts import TextBatch, TextStore, buckets
from models.tokens import pad_id, token_store
from models.trigrams import trigram_ids

__all__ = ["PRESETS", "TowerConfig", "TwoTower", "space_id"]

_FORWARD_TOKENS = 4096  # of one pass through BERT
State = tuple[dict[str, object], str, dict[str, Tensor]]


class Tower(nn.Module):
    """Both encoders of one side, and what joins them."""

    def __init__(self, config: TowerConfig, bert: BertModel | None) -> None:
        super().__init__()
        self.fusion = config.fusion
        self.trigrams = TrigramEncoder(config.trigram_buckets, config.dim)
        self.bert = BertEncoder(bert) if bert is not None else None
        if self.bert is None:
            return
        self.project = nn.Linear(self.bert.dim, config.dim, bias=False)
        if self.bert.dim == config.dim:
            nn.init.eye_(self.project.weight)  # a pretrained space stays as it is
        # one weight per encoder, from both encoders' vectors when gated; even at the start
        self.weigh = nn.Linear(2 * config.dim, 2)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, batch: TextBatch) -> Tensor:
        """Unit vectors [B, D]."""
        shallow: Tensor = self.trigrams(batch.trigram_ids, batch.trigram_offsets)
        if self.bert is None:
            return _unit(shallow)
        deep = self.project(self.bert(batch.token_ids, batch.token_mask)).float()
        with torch.autocast(shallow.device.type, enabled=False):
            logits = self.weigh(torch.cat([shallow, deep], dim=1))
            if self.fusion == "sum":
                logits = self.weigh.bias.expand(len(shallow), 2)
            weights = torch.softmax(logits, dim=1)
            return _unit(weights[:, :1] * shallow + weights[:, 1:] * deep)


class TwoTower(nn.Module):
    """Query tower and item tower with their tokenizer. Weights are drawn from torch's generator."""

    def __init__(
        self, config: TowerConfig, tokenizer: Tokenizer, bert: BertModel | None = None
    ) -> None:
        """`bert` hands in pretrained weights; without it config.bert is built with random ones."""
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.pad = pad_id(tokenizer)
        if bert is None and config.bert:
            bert = new_bert(config.bert, tokenizer.get_vocab_size(), self.pad)
        self.item_tower = Tower(config, bert)
        self.query_tower = self.item_tower if config.shared else copy.deepcopy(self.item_tower)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.item_tower.trigrams.bag.weight.device

    def store(self, texts: Sequence[str]) -> TextStore:
        """Features of texts; `store_queries` for queries."""
        trigrams = Ragged(*trigram_ids(texts, self.config.trigram_buckets))
        if not self.config.bert:
            return TextStore(trigrams, empty(len(texts)))
        return TextStore(trigrams, token_store(self.tokenizer, texts, self.config.max_tokens))

    def store_queries(self, texts: Sequence[str]) -> TextStore:
        """Features of queries, normalised as in the log."""
        return self.store([normalise_query(text) for text in texts])

    def forward_queries(self, store: TextStore) -> Tensor:
        """Unit vectors [B, D] of queries, with gradient."""
        return self._forward(self.query_tower, store)

    def forward_items(self, store: TextStore) -> Tensor:
        """Unit vectors [B, D] of items, with gradient."""
        return self._forward(self.item_tower, store)

    def _forward(self, tower: Tower, store: TextStore) -> Tensor:
        """Texts of like length together: a rectangle as wide as the longest is mostly padding."""
        if not self.config.bert:
            return _vectors(tower, store.batch(self.pad, self.device))
        rows = list(buckets(store.sizes, _FORWARD_TOKENS))
        parts = [_vectors(tower, store.take(some).batch(self.pad, self.device)) for some in rows]
        back = torch.from_numpy(np.argsort(np.concatenate(rows))).to(self.device)
        return torch.cat(parts)[back]

    def encode_queries(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [B, D] of a few queries; many go through models.encode."""
        self.eval()
        with torch.inference_mode():
            return self.forward_queries(self.store_queries(texts))

    def encode_items(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [B, D] of a few items; many go through models.encode."""
        self.eval()
        with torch.inference_mode():
            return self.forward_items(self.store(texts))

    def state(self) -> State:
        """Config, tokenizer as JSON, and tensors by name: all that from_state needs."""
        tensors = {
            name: tensor
            for name, tensor in self.state_dict().items()
            if not (self.config.shared and name.startswith("query_tower."))
        }
        return self.config.to_dict(), self.tokenizer.to_str(), tensors

    @classmethod
    def from_state(
        cls, config: Mapping[str, object], tokenizer_json: str, tensors: Mapping[str, Tensor]
    ) -> TwoTower:
        """Towers in eval mode, equal to those whose state() this was.

        Raises:
            ValueError: the config is of another version of the rules.
            RuntimeError: tensors do not fit the config.
        """
        towers = cls(TowerConfig.from_dict(config), Tokenizer.from_str(tokenizer_json))
        towers.load_tensors(tensors)
        return towers.eval()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the tensors of a state().

        Raises:
            RuntimeError: they do not fit the config.
        """
        given = dict(tensors)
        if self.config.shared:
            prefix = "item_tower."
            given |= {f"query_tower.{n.removeprefix(prefix)}": t for n, t in tensors.items()}
        self.load_state_dict(given)


def space_id(towers: TwoTower) -> str:
    """16 hex digits over weights, tokenizer and settings: vectors compare only within one space."""
    return fingerprint(*towers.state())


def _vectors(tower: Tower, batch: TextBatch) -> Tensor:
    vectors: Tensor = tower(batch)
    return vectors


def _unit(vectors: Tensor) -> Tensor:
    """Rows of norm 1; a text without any feature gets the same direction every time."""
    nothing = vectors.detach().abs().amax(dim=1, keepdim=True) == 0
    return functional.normalize(torch.where(nothing, torch.ones_like(vectors), vectors), dim=1)
