"""Cross-encoder: BERT reads query and item together, and gives one score: the log odds that the item answers the query.

Nogueira and Cho 2019, Passage Re-ranking with BERT; RocketQA (Qu et al. 2021, section 4.1) teaches and filters with it.
It is too slow to search with: each pair is read anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from models.text.ragged import Ragged, empty, side_by_side
from models.text.text_store import TextStore
from models.towers.encode import packed
from models.towers.precision import autocast
from models.towers.tower import BertEncoder
from models.training.batches import Known, Rows

Scores = NDArray[np.float32]
ScorePairs = Callable[[Rows, Rows], Scores]  # log odds of pairs (query row, item row)
_AT_ONCE = 16_384  # pairs whose tokens are in memory together


class CrossEncoder(nn.Module):
    """BERT, the mean over the tokens of both texts, and a small head."""

    def __init__(self, bert: BertModel, pad: int) -> None:
        """pad: id of the padding piece."""
        super().__init__()
        self.encoder, self.pad = BertEncoder(bert), pad
        dim = self.encoder.dim
        # the mean has unit norm: the head starts from numbers of variance 1
        self.norm, self.dense, self.score = nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Linear(dim, 1)

    def forward(self, tokens: Ragged, precision: str = "auto") -> Tensor:
        """Log odds [N] of the pairs' tokens; fp32 behind BERT."""
        with autocast(self.encoder.device, precision):
            vectors = self.encoder.read(TextStore(empty(len(tokens)), tokens), self.pad)
        scores: Tensor = self.score(functional.gelu(self.dense(self.norm(vectors.float()))))
        return scores.squeeze(1)

    def head(self) -> dict[str, Tensor]:
        """Tensors behind BERT by name."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("encoder.")}


@dataclass(frozen=True)
class PairTokens:
    """Token ids of every query and of every item, by row: [CLS] text [SEP] each."""

    queries: Ragged
    items: Ragged

    def __call__(self, query: Rows, item: Rows) -> Ragged:
        """Rows [CLS] query [SEP] item [SEP] of pairs of rows."""
        items = self.items.take(item)
        behind_first = np.ones(len(items.values), np.bool_)
        behind_first[items.offsets[:-1]] = False
        return side_by_side(self.queries.take(query), items.keep(behind_first))


@dataclass(frozen=True)
class PairScorer:
    """Scores of pairs of rows by a trained cross-encoder."""

    model: CrossEncoder
    tokens: PairTokens
    precision: str = "auto"

    def __call__(self, query: Rows, item: Rows) -> Scores:
        """Log odds [N] of pairs (query row, item row)."""
        self.model.eval()
        encoder, scores = self.model.encoder, np.empty(len(query), np.float32)
        with torch.inference_mode(), packed([encoder], len(query), self.precision):
            for start in range(0, len(query), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                scores[part] = self.model(self.tokens(query[part], item[part]), self.precision).cpu().numpy()
        return scores


class RememberedScores:
    """A scorer that reads no pair twice: what was read is kept, 12 bytes a pair."""

    def __init__(self, score: ScorePairs, items: int) -> None:
        """items: number of the catalogue's rows."""
        self.score, self.items = score, items
        self.codes, self.scores = np.zeros(0, np.int64), np.zeros(0, np.float32)

    def __call__(self, query: Rows, item: Rows) -> Scores:
        """Log odds [N] of pairs (query row, item row)."""
        codes = query * self.items + item
        unread = np.setdiff1d(codes, self.codes)
        fresh = self.score(unread // self.items, unread % self.items)
        order = np.argsort(np.concatenate([self.codes, unread]), kind="stable")
        self.codes = np.concatenate([self.codes, unread])[order]
        self.scores = np.concatenate([self.scores, fresh])[order]
        return self.scores[np.searchsorted(self.codes, codes)]


def log_odds(share: float) -> float:
    """The log odds of a probability; infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(share) - np.log1p(-share))


def share_in_order(query: Rows, target: Scores, scores: Scores) -> NDArray[np.float64]:
    """Share of the pairs of examples of one query, with different targets, that the scores put in the targets' order.

    One value for each query that has such a pair, by query row; equal scores count half.
    """
    one, other = Known(query, np.arange(len(query)), int(query.max(initial=-1)) + 1).of(query)
    better = target[one] > target[other]
    one, other = one[better], other[better]
    apart = scores[one] - scores[other]
    right = np.bincount(query[one], (apart > 0) + 0.5 * (apart == 0))
    count = np.bincount(query[one])
    share: NDArray[np.float64] = right[count > 0] / count[count > 0]
    return share
