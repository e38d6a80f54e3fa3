"""One tower: a BERT encoder, a shallow encoder of words and trigrams, and what joins them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from models.text.text_store import TextBatch
from models.towers.config import TowerConfig
from models.towers.encoder_fusion import JOINS
from models.towers.encoders import BertEncoder, TrigramEncoder


class Tower(nn.Module):
    """The encoders of one side, and what joins them.

    In three parts, so that GradCache can go through BERT in chunks and through the rest at once:
    vectors = fuse(shallow(trigrams), deep(tokens)).
    """

    def __init__(self, config: TowerConfig, bert: BertModel | None) -> None:
        super().__init__()
        self.width = config.width
        self.has_trigrams, self.has_bert = config.has_trigrams, config.has_bert
        if self.has_trigrams:
            self.trigrams = TrigramEncoder(config.trigram_buckets, config.dim)
        if bert is not None and self.has_bert:
            self.bert = BertEncoder(bert)
            self.project = nn.Linear(self.bert.dim, config.dim, bias=False)
            if self.bert.dim == config.dim:
                nn.init.eye_(self.project.weight)  # a pretrained space stays as it is
        if self.has_trigrams and self.has_bert:
            self.weigh = JOINS[config.fusion](config.dim)

    def forward(self, batch: TextBatch) -> Tensor:
        """Unit vectors [B, D] of texts."""
        shallow = self.shallow(batch.trigram_ids, batch.trigram_offsets)
        deep = self.deep(batch.token_ids, batch.token_mask) if self.has_bert else None
        return self.fuse(shallow, deep)

    def shallow(self, trigram_ids: Tensor, trigram_offsets: Tensor) -> Tensor | None:
        """Ids [T], offsets [B] -> [B, D], fp32, without any dropout; None without this encoder."""
        if not self.has_trigrams:
            return None
        vectors: Tensor = self.trigrams(trigram_ids, trigram_offsets)
        return vectors

    def deep(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Ids [B, L], mask [B, L] -> [B, hidden], fp32; only where the tower has BERT."""
        vectors: Tensor = self.bert(token_ids, token_mask)
        return vectors

    def fuse(self, shallow: Tensor | None, deep: Tensor | None) -> Tensor:
        """Join what shallow and deep gave -> [B, D or cut], unit norm, fp32."""
        of = shallow if shallow is not None else deep
        assert of is not None, "a tower has one encoder at least"
        with torch.autocast(of.device.type, enabled=False):
            if deep is None:
                return _unit(of[:, : self.width])
            projected = self.project(deep.float())
            if shallow is None:
                return _unit(projected[:, : self.width])
            weights = self.weigh(shallow, projected)
            joined = weights[:, :1] * shallow + weights[:, 1:] * projected
            return _unit(joined[:, : self.width])


def query_tower(config: TowerConfig, items: Tower) -> Tower:
    """The tower of queries: the item tower itself, a copy, or one of fewer layers.

    When shared, what is not BERT's layers or what joins them is one table for both: a word that only
    items have shown is known in queries too.
    """
    if config.shared and not config.query_layers:
        return items
    kept: list[nn.Module] = []  # not copied
    if config.shared:
        kept = [items.trigrams] if items.has_trigrams else []
        kept.append(items.bert.bert.embeddings)
    queries = copy.deepcopy(items, {id(part): part for part in kept})
    if config.query_layers:
        bert = queries.bert.bert
        bert.encoder.layer = bert.encoder.layer[: config.query_layers]
        bert.config.num_hidden_layers = config.query_layers
    return queries


def _unit(vectors: Tensor) -> Tensor:
    """Rows of norm 1; a text without any feature gets the same direction every time."""
    nothing = vectors.detach().abs().amax(dim=1, keepdim=True) == 0
    return functional.normalize(torch.where(nothing, torch.ones_like(vectors), vectors), dim=1)
