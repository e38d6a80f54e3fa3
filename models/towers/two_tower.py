"""Two towers: text -> unit vector, one for queries and one for items, joined by cosine similarity.

models.towers.tower has the parts of one tower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertModel

from models.text.normalise import normalise_query
from models.text.ragged import Ragged, empty
from models.text.text_store import TextStore
from models.text.tokens import pad_id, set_length, token_store
from models.text.trigrams import trigram_ids
from models.towers.config import PRESETS, TowerConfig
from models.towers.ensemble import Ensemble, ensemble_config, ensemble_towers
from models.towers.tower import BertEncoder, Tower, new_bert, query_tower

__all__ = ["PRESETS", "Tower", "TowerConfig", "TwoTower"]

State = tuple[dict[str, object], str, dict[str, Tensor]]


class TwoTower(nn.Module):
    """Query tower and item tower with their tokenizer. Weights are drawn from torch's generator."""

    def __init__(self, config: TowerConfig, tokenizer: Tokenizer, bert: BertModel | None = None) -> None:
        """`bert` hands in pretrained weights; without it config.bert is built with random ones."""
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.pad = pad_id(tokenizer)
        if config.has_bert:
            set_length(tokenizer, config.max_tokens)  # before anybody asks for the space id
        self.item_tower: Tower | Ensemble
        self.query_tower: Tower | Ensemble
        items = [self._item_tower(each, bert) for each in config.member_configs or [config]]
        if config.members:
            self.item_tower, self.query_tower = ensemble_towers(config, items)
        else:
            self.item_tower, self.query_tower = items[0], query_tower(config, items[0])

    def _item_tower(self, config: TowerConfig, bert: BertModel | None) -> Tower:
        if bert is None and config.has_bert:
            bert = new_bert(config.bert, self.tokenizer.get_vocab_size(), self.pad)
        return Tower(config, bert)

    @classmethod
    def ensemble(cls, members: Sequence[TwoTower], weights: Sequence[float]) -> TwoTower:
        """Towers that join the vectors of others; weights: of each in a query's.

        Raises:
            ValueError: the members do not read the same features.
        """
        first = members[0].tokenizer.to_str()
        if any(each.tokenizer.to_str() != first for each in members):
            raise ValueError("members have different tokenizers: train one from the other's start")
        towers = cls(ensemble_config([each.config for each in members], weights), Tokenizer.from_str(first))
        named = [each.state()[2].items() for each in members]
        towers.load_tensors(
            {
                name.replace("_tower.", f"_tower.members.{number}.", 1): tensor
                for number, tensors in enumerate(named)
                for name, tensor in tensors
            }
        )
        return towers.eval()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def trained_sides(self) -> tuple[Tower, Tower]:
        """Query tower and item tower, for a training.

        Raises:
            ValueError: they are an ensemble, whose members are trained one by one.
        """
        if self.config.members:
            raise ValueError("these towers are an ensemble: train its members, and join them anew")
        assert isinstance(self.query_tower, Tower) and isinstance(self.item_tower, Tower)
        return self.query_tower, self.item_tower

    @property
    def bert_encoders(self) -> list[BertEncoder]:
        """Every BERT of both towers, each once."""
        return [part for part in self.modules() if isinstance(part, BertEncoder)]

    def store(self, texts: Sequence[str]) -> TextStore:
        """Features of texts; `store_queries` for queries."""
        config = self.config
        trigrams = tokens = empty(len(texts))
        if config.has_trigrams:
            trigrams = Ragged(*trigram_ids(texts, config.trigram_buckets))
        if config.has_bert:
            tokens = token_store(self.tokenizer, texts, config.max_tokens)
        return TextStore(trigrams, tokens)

    def store_queries(self, texts: Sequence[str]) -> TextStore:
        """Features of queries, normalised as in the log."""
        return self.store([normalise_query(text) for text in texts])

    def forward_queries(self, store: TextStore) -> Tensor:
        """Unit vectors [B, D] of queries, of several heads [B, K * D], with gradient."""
        return self._forward(self.query_tower, store)

    def forward_items(self, store: TextStore) -> Tensor:
        """Unit vectors [B, D] of items, with gradient."""
        return self._forward(self.item_tower, store)

    def _forward(self, tower: Tower | Ensemble, store: TextStore) -> Tensor:
        if isinstance(tower, Ensemble):
            return tower.join([self._forward(member, store) for member in tower.towers])
        shallow = tower.shallow(*store.trigram_batch(self.device))
        if not tower.has_bert:
            return tower.fuse(shallow, None)
        return tower.fuse(shallow, tower.bert.read(store, self.pad))

    def encode_queries(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [B, D] of a few queries; many go through models.towers.encode."""
        self.eval()
        with torch.inference_mode():
            return self.forward_queries(self.store_queries(texts))

    def encode_items(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [B, D] of a few items; many go through models.towers.encode."""
        self.eval()
        with torch.inference_mode():
            return self.forward_items(self.store(texts))

    def state(self) -> State:
        """Config, tokenizer as JSON, and tensors by name, each once: all that from_state needs."""
        once = {name for name, _ in self.named_parameters()}
        tensors = {name: tensor for name, tensor in self.state_dict().items() if name in once}
        return self.config.to_dict(), self.tokenizer.to_str(), tensors

    @classmethod
    def from_state(cls, config: Mapping[str, object], tokenizer_json: str, tensors: Mapping[str, Tensor]) -> TwoTower:
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
        first: dict[int, str] = {}  # of the names of one weight
        given = dict(tensors)
        for name, weight in self.named_parameters(remove_duplicate=False):
            known = first.setdefault(id(weight), name)
            if known != name and known in tensors:
                given[name] = tensors[known]
        self.load_state_dict(given)
