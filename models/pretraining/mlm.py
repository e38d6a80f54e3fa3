"""Masked language model: the head over BERT, the loss on masked pieces alone, and the evaluation on dev texts.

BERT (Devlin et al. 2019, section 3.1). The decoder is the table of piece embeddings itself, so what the model learns
of a piece as an input it also knows of it as an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from models.pretraining.masking import MaskedBatch, Masker
from models.text.ragged import Ragged
from models.text.text_store import buckets
from models.towers.precision import autocast

MIN_DEV_TEXTS = 500


class MaskedLM(nn.Module):
    """A BERT without pooling layer, under a head for masked pieces."""

    def __init__(self, bert: BertModel, counts: NDArray[np.int64] | None = None) -> None:
        """counts [V] of the pieces: the bias of the head starts from their shares."""
        super().__init__()
        hidden, pieces = int(bert.config.hidden_size), int(bert.config.vocab_size)
        self.bert = bert
        self.transform = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=bert.config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(pieces))
        nn.init.normal_(self.transform.weight, std=float(bert.config.initializer_range))
        nn.init.zeros_(self.transform.bias)
        if counts is not None:
            # some tables have more rows than the tokenizer has pieces: those never come
            counts = np.pad(counts, (0, pieces - len(counts)))
            share = np.log((counts + 1.0) / (counts + 1.0).sum())
            self.bias.data = torch.from_numpy(share.astype(np.float32))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.bias.device

    def forward(self, ids: Tensor, filled: Tensor, places: Tensor) -> Tensor:
        """ids [B, L], filled [B, L] True on pieces, places [M] in B*L -> logits [M, V].

        Masked places are gathered before the decoder: [B, L, V] would be most of the memory.
        """
        states = self.bert(input_ids=ids, attention_mask=filled.long()).last_hidden_state
        hidden = functional.gelu(self.transform(states.flatten(0, 1)[places]))
        decoder = self.bert.embeddings.word_embeddings.weight
        return functional.linear(self.norm(hidden), decoder, self.bias)


def masked_loss(model: MaskedLM, masked: MaskedBatch, precision: str = "auto") -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats, mean over the M masked pieces, and how many of them were ranked first.

    Two scalars; the second is a whole number without gradient. precision: auto, fp32 or bf16.
    """
    arrays = (masked.ids, masked.filled, masked.places, masked.targets)
    ids, filled, places, targets = (torch.from_numpy(array).to(model.device, non_blocking=True) for array in arrays)
    with autocast(model.device, precision):
        logits = model(ids, filled, places)
    logits = logits.float()
    right = (logits.detach().argmax(dim=1) == targets).sum()
    return functional.cross_entropy(logits, targets), right


@dataclass(frozen=True)
class MaskedScore:
    """Score on the masked pieces of dev texts: their number, cross-entropy in nats, share ranked first."""

    pieces: int
    loss: float
    accuracy: float


def evaluate(model: MaskedLM, dev: list[MaskedBatch], precision: str = "auto") -> MaskedScore:
    """Score a model. It is left as it was, in training mode or not."""
    was_training = model.training
    model.eval()
    pieces, nats, right = 0, 0.0, 0
    with torch.inference_mode():
        for masked in dev:
            loss, hits = masked_loss(model, masked, precision)
            pieces += len(masked.targets)
            nats += float(loss) * len(masked.targets)
            right += int(hits)
    model.train(was_training)
    return MaskedScore(pieces, nats / max(1, pieces), right / max(1, pieces))


def unigram_baseline(counts: NDArray[np.int64], dev: list[MaskedBatch]) -> MaskedScore:
    """Baseline: predict from unigram frequencies [V] alone."""
    targets = np.concatenate([masked.targets for masked in dev] or [np.zeros(0, np.int64)])
    nats = -np.log((counts + 1.0) / (counts + 1.0).sum())[targets]
    count = max(1, len(targets))
    return MaskedScore(len(targets), float(nats.sum()) / count, float((targets == counts.argmax()).sum()) / count)


def mask_dev_texts(masker: Masker, texts: Ragged, budget: int, seed: int) -> list[MaskedBatch]:
    """Mask texts once, for the evaluation of every epoch; rows x longest <= budget each.

    Few texts are repeated under other masks, because a score on ten words is mere chance.
    """
    rng = np.random.default_rng([seed, len(texts)])
    copies = -(-MIN_DEV_TEXTS // max(1, len(texts)))
    texts = texts.take(np.tile(np.arange(len(texts)), copies))
    return [masker.mask_words(texts.take(rows), rng) for rows in buckets(texts.lengths, budget)]
