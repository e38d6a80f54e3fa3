"""The two encoders that a tower joins: a shallow one over hashed features, and BERT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from models.towers.packed_bert import PackedBert


class TrigramEncoder(nn.Module):
    """The sum of the embeddings of a text's words and trigrams, scaled to unit norm.

    The norm of an embedding is learned with it: rare features grow, common ones shrink, as IDF would.
    """

    def __init__(self, buckets: int, dim: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(buckets, dim, mode="sum")
        # random vectors of D dimensions are nearly orthogonal, so that before any training the
        # cosine is that of shared features
        nn.init.normal_(self.bag.weight, std=0.1)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Ids [T], offsets [B] -> [B, D] of unit norm; zeros for a text without features."""
        with torch.autocast(ids.device.type, enabled=False):
            return functional.normalize(self.bag(ids, offsets), dim=1)


class BertEncoder(nn.Module):
    """BERT, mean over a text's tokens."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert
        self.dim = int(bert.config.hidden_size)
        # set while models.towers.encode encodes much on a CPU: a copy of the weights without graph or padding
        self.packed: PackedBert | None = None

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids [B, L], mask [B, L] True on tokens -> [B, hidden] of unit norm, pooled in fp32."""
        self._attend_as_suits(ids.device)
        states = self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        with torch.autocast(ids.device.type, enabled=False):
            weight = mask.unsqueeze(2).float()
            mean = (states.float() * weight).sum(1) / weight.sum(1).clamp(min=1.0)
            return functional.normalize(mean, dim=1)

    def _attend_as_suits(self, device: torch.device) -> None:
        """On a CPU, for a shop's short texts, plain products beat the fused kernel: 6 x 384 in bf16
        encodes 5% faster, trains 4% faster with dropout and 35% without."""
        kind = "eager" if device.type == "cpu" else "sdpa"
        if self.bert.config._attn_implementation != kind:
            self.bert.set_attn_implementation(kind)


def new_bert(settings: Mapping[str, int | float | str], vocabulary: int, pad: int) -> BertModel:
    """A BERT of random weights; settings are BertConfig's. The pooling layer, unused, is left out.

    vocabulary: the tokenizer's; settings name a vocab_size only where the table has more rows.
    """
    config = BertConfig.from_dict({"vocab_size": vocabulary, **settings, "pad_token_id": pad})
    return BertModel(config, add_pooling_layer=False)
