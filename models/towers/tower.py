"""One tower: a shallow encoder of words and trigrams, BERT, and the fusion of their two vectors.

The fusion gives each encoder a weight, computed from both vectors of the text.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.activations import ACT2FN

from models.text.text_store import TextStore, buckets
from models.towers.config import TowerConfig
from models.towers.packed_bert import PackedBert

FORWARD_TOKENS = {"cpu": 4096, "cuda": 65_536}  # of one pass through BERT
_ATTENTION_WIDTH = 64
_HEAD_NOISE = 0.75  # a head starts with a cosine of about .8 with the first
# what BertConfig takes: without these another model would be built
OF_TOKENIZER = ("vocab_size", "pad_token_id")
BERT_SETTINGS = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("max_position_embeddings", "type_vocab_size", "layer_norm_eps"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"),
    *OF_TOKENIZER,
)
# another value means another architecture
BERT_FIXED = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
}
# what model files say beside that, and nothing here depends on
BERT_NOTES = (
    *(
        "architectures",
        "transformers_version",
        "_name_or_path",
        "torch_dtype",
        "dtype",
        "tokenizer_class",
        "max_tokens",
    ),
    *(
        "bos_token_id",
        "eos_token_id",
        "sep_token_id",
        "cls_token_id",
        "mask_token_id",
        "unk_token_id",
        "language",
        "name",
    ),
    *("classifier_dropout", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "directionality"),
    *("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type"),
    *("gradient_checkpointing", "use_cache", "output_past", "output_attentions", "output_hidden_states", "return_dict"),
    *("chunk_size_feed_forward", "tie_word_embeddings"),
)


class TrigramEncoder(nn.Module):
    """The sum of the embeddings of a text's words and trigrams, scaled to unit norm.

    The norm of an embedding is learned with it: rare features grow, common ones shrink, as IDF would.
    """

    def __init__(self, buckets: int, dim: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(buckets, dim, mode="sum")
        # random vectors of D dimensions are nearly orthogonal, so before any training the
        # cosine is that of shared features
        nn.init.normal_(self.bag.weight, std=0.1)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Ids [T], offsets [B] -> [B, D] of unit norm; zeros for a text without features."""
        with torch.autocast(ids.device.type, enabled=False):
            return functional.normalize(self.bag(ids, offsets), dim=1)


class BertEncoder(nn.Module):
    """BERT, and the mean over the tokens of a text."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert
        self.dim = int(bert.config.hidden_size)
        # set while models.towers.encode encodes many texts on a CPU: a copy of the weights without graph or padding
        self.packed: PackedBert | None = None

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids [B, L], mask [B, L] True on tokens -> [B, hidden] of unit norm, pooled in fp32."""
        self._choose_attention(ids.device)
        states = self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        with torch.autocast(ids.device.type, enabled=False):
            weight = mask.unsqueeze(2).float()
            mean = (states.float() * weight).sum(1) / weight.sum(1).clamp(min=1.0)
            return functional.normalize(mean, dim=1)

    def read(self, store: TextStore, pad: int) -> Tensor:
        """Vectors [rows, hidden] of a store. Texts of like length together: a rectangle as wide as the longest is
        mostly padding."""
        if self.packed is not None:
            return self.packed(store.tokens)
        device = self.device
        rows = list(buckets(store.sizes, FORWARD_TOKENS.get(device.type, FORWARD_TOKENS["cpu"])))
        parts = [self(*store.take(some).token_batch(pad, device)) for some in rows]
        return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(rows))).to(device)]

    def _choose_attention(self, device: torch.device) -> None:
        """Take the faster attention: on a CPU, for short texts, plain products beat the fused kernel. A BERT of
        6 x 384 in bf16 encodes 5% faster, trains 4% faster with dropout and 35% without."""
        kind = "eager" if device.type == "cpu" else "sdpa"
        if self.bert.config._attn_implementation != kind:
            self.bert.set_attn_implementation(kind)


def bert_config(settings: Mapping[str, object]) -> BertConfig:
    """transformers' config from the settings of a config.json, which may be anybody's: only known ones are passed on.

    An unknown key can make transformers fetch and run code, as `_attn_implementation` does with a kernel's name, or
    compute something else than the weights were trained for.

    Raises:
        ValueError: a key is unknown, or a value is not what this BERT takes.
    """
    if unknown := sorted(set(settings) - {*BERT_SETTINGS, *BERT_FIXED, *BERT_NOTES}):
        raise ValueError(
            f"the BERT's settings have {', '.join(unknown[:5])}, expected {', '.join(BERT_SETTINGS)} and notes such as"
            " architectures alone; take keys out of config.json that the model works without, or take another model"
        )
    taken = {name: settings[name] for name in BERT_SETTINGS if settings.get(name) is not None}
    odd = [name for name, fixed in BERT_FIXED.items() if settings.get(name, fixed) not in (fixed, None)]
    odd += [name for name, value in taken.items() if name != "hidden_act" and type(value) not in (int, float)]
    if taken.get("hidden_act", "gelu") not in list(ACT2FN):
        odd.append("hidden_act")
    if odd:
        values = ", ".join(f"{name}={str(settings[name])[:40]!r}" for name in odd[:5])
        raise ValueError(f"the BERT's settings have {values}; expected numbers, a known activation and a plain encoder")
    return BertConfig.from_dict(taken)


def new_bert(settings: Mapping[str, int | float | str], vocabulary: int, pad: int) -> BertModel:
    """A BERT of random weights; settings are BertConfig's. The pooling layer, unused, is left out.

    vocabulary: the tokenizer's; settings name a vocab_size only where the table has more rows.
    """
    config = bert_config({"vocab_size": vocabulary, **settings, "pad_token_id": pad})
    return BertModel(config, add_pooling_layer=False)


class Gate(nn.Module):
    """One linear layer over both vectors, so each weight depends on both."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2 * dim))  # even at the start
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        both = torch.cat([shallow, deep], dim=1)
        return torch.softmax(functional.linear(both, self.weight, self.bias), dim=1)


class Sum(Gate):
    """One learned pair of weights for all texts."""

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        return torch.softmax(self.bias, dim=0).expand(len(shallow), 2)


class Attention(nn.Module):
    """The score of an encoder comes from its own vector: a small layer, then a learned context vector.

    Liu et al. 2021, Que2Search, 3.2; the form of the scores is that of Yang et al. 2016, 2.2.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.look = nn.Parameter(torch.randn(2, dim, _ATTENTION_WIDTH))  # unit vectors in, variance 1 out
        self.context = nn.Parameter(torch.zeros(2, _ATTENTION_WIDTH))  # even at the start
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Vectors [B, D] of each encoder -> weights [B, 2] that add up to one."""
        seen = torch.tanh(torch.bmm(torch.stack([shallow, deep]), self.look))
        scores = torch.bmm(seen, self.context.unsqueeze(2)).squeeze(2).T
        return torch.softmax(scores + self.bias, dim=1)


FUSION_LAYERS: dict[str, type[Gate | Attention]] = {"gate": Gate, "attention": Attention, "sum": Sum}


class Tower(nn.Module):
    """The encoders of one side, and their fusion.

    In three parts, so that GradCache can go through BERT in chunks and through the rest at once:
    vectors = fuse(shallow(trigrams), deep(tokens)).
    """

    def __init__(self, config: TowerConfig, bert: BertModel | None) -> None:
        super().__init__()
        self.width = config.width
        self.has_trigrams, self.has_bert = config.has_trigrams, config.has_bert
        self.heads: nn.Parameter | None  # of a query tower with several
        self.register_parameter("heads", None)
        if self.has_trigrams:
            self.trigrams = TrigramEncoder(config.trigram_buckets, config.dim)
        if bert is not None and self.has_bert:
            self.bert = BertEncoder(bert)
            self.project = nn.Linear(self.bert.dim, config.dim, bias=False)
            if self.bert.dim == config.dim:
                nn.init.eye_(self.project.weight)  # a pretrained space stays unchanged
        if self.has_trigrams and self.has_bert:
            self.weigh = FUSION_LAYERS[config.fusion](config.dim)

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
        """Vectors of both encoders -> [B, D or cut], unit norm, fp32; of several heads [B, K * D], each of unit norm."""
        vectors = shallow if shallow is not None else deep
        assert vectors is not None, "a tower has one encoder at least"
        with torch.autocast(vectors.device.type, enabled=False):
            if deep is None:
                return self._out(vectors)
            projected = self.project(deep.float())
            if shallow is None:
                return self._out(projected)
            weights = self.weigh(shallow, projected)
            joined = weights[:, :1] * shallow + weights[:, 1:] * projected
            return self._out(joined)

    def _out(self, vectors: Tensor) -> Tensor:
        unit = _unit(vectors[:, : self.width])
        if self.heads is None:
            return unit
        return functional.normalize(torch.einsum("bd,kde->bke", unit, self.heads), dim=2).flatten(1)


def query_tower(config: TowerConfig, items: Tower) -> Tower:
    """The tower of queries: the item tower itself, a copy, or one of fewer layers.

    When shared, both towers have one table of trigrams and one of word pieces, so a word that occurs only in
    items is known in queries too.
    """
    if config.shared and not config.query_layers and config.heads == 1:
        return items
    shared: list[nn.Module] = []
    if config.shared:
        shared = [items.trigrams] if items.has_trigrams else []
        shared += [items.bert.bert.embeddings] if items.has_bert else []
        # of as many layers, all of the tower is shared, but for its heads
        shared += [] if config.query_layers else list(items.children())
    queries = copy.deepcopy(items, {id(part): part for part in shared})
    if config.query_layers:
        bert = queries.bert.bert
        bert.encoder.layer = bert.encoder.layer[: config.query_layers]
        bert.config.num_hidden_layers = config.query_layers
    if config.heads > 1:
        queries.heads = nn.Parameter(_new_heads(config.heads, config.dim))
    return queries


def _new_heads(count: int, dim: int) -> Tensor:
    """Projections [K, D, D]: the first leaves vectors as they are, the others turn them a little, each its own way."""
    turned = _HEAD_NOISE * torch.randn(count, dim, dim) / dim**0.5
    turned[0] = 0.0
    heads: Tensor = torch.eye(dim) + turned
    return heads


def _unit(vectors: Tensor) -> Tensor:
    """Rows of norm 1; a text without any feature gets the same direction every time."""
    nothing = vectors.detach().abs().amax(dim=1, keepdim=True) == 0
    return functional.normalize(torch.where(nothing, torch.ones_like(vectors), vectors), dim=1)
