"""The cross-encoder's input and output: pairs of texts as tokens, packed and padded scores, order of judged pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.cross_encoder.model import CrossEncoder, PairScorer, PairTokens, RememberedScores, log_odds, share_in_order
from models.text.ragged import ragged
from models.towers import encode
from models.towers.tower import new_bert

SETTINGS = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
CLS, SEP = 101, 102


def scorer() -> PairScorer:
    torch.manual_seed(0)
    model = CrossEncoder(new_bert(SETTINGS, 110, 0), 0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    rng = np.random.default_rng(0)
    sides = [[[CLS, *rng.integers(1, 100, rng.integers(0, 9)).tolist(), SEP] for _ in range(20)] for _ in range(2)]
    return PairScorer(model, PairTokens(ragged(sides[0]), ragged(sides[1])), "fp32")


def test_a_pair_is_cls_query_sep_item_sep() -> None:
    tokens = PairTokens(ragged([[CLS, 1, SEP], [CLS, SEP]]), ragged([[CLS, 7, 8, SEP], [CLS, 9, SEP]]))
    made = tokens(np.array([0, 1, 0]), np.array([1, 0, 0]))
    rows = np.split(made.values, made.offsets[1:-1])
    assert [row.tolist() for row in rows] == [[CLS, 1, SEP, 9, SEP], [CLS, SEP, 7, 8, SEP], [CLS, 1, SEP, 7, 8, SEP]]


def test_packed_pairs_have_the_scores_of_padded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each pair the score that it has alone, in its own place."""
    made = scorer()
    query, item = (np.random.default_rng(seed).integers(0, 20, 300) for seed in (1, 2))
    packed = made(query, item)
    assert made.model.encoder.packed is None
    monkeypatch.setattr(encode, "_PACK_FROM", 10_000)
    np.testing.assert_allclose(packed, made(query, item), atol=1e-5)
    alone = [made(query[row : row + 1], item[row : row + 1])[0] for row in range(30)]
    np.testing.assert_allclose(packed[:30], alone, atol=1e-5)
    assert np.ptp(packed) > 0.01, "pairs differ"
    assert made(query[:0], item[:0]).shape == (0,)


def test_a_score_depends_on_both_texts() -> None:
    made = scorer()
    swapped = made(np.array([0, 0, 1]), np.array([0, 1, 0]))
    assert len(set(swapped.tolist())) == 3


def test_the_order_of_pairs_of_one_query_by_hand() -> None:
    """By query row; a query of one target alone has no pair to order."""
    query = np.array([2, 5, 2, 5, 2, 7, 7])
    target = np.array([1.0, 0.0, 0.5, 1.0, 0.0, 1.0, 1.0], np.float32)
    scores = np.array([2.0, -1.0, 2.0, 3.0, 2.5, 0.0, 1.0], np.float32)
    # query 2: 1 against 0 is wrong (2.0 < 2.5), 1 against .5 tied, .5 against 0 wrong
    assert share_in_order(query, target, scores).tolist() == pytest.approx([0.5 / 3, 1.0])
    assert share_in_order(query, target, -scores).tolist() == pytest.approx([2.5 / 3, 0.0])
    assert share_in_order(query[:0], target[:0], scores[:0]).tolist() == []


def test_no_pair_is_read_twice() -> None:
    asked: list[tuple[int, int]] = []

    def score(query: np.ndarray, item: np.ndarray) -> np.ndarray:
        asked.extend(zip(query.tolist(), item.tolist(), strict=True))
        return (10 * query + item).astype(np.float32)

    remembered = RememberedScores(score, 7)
    assert remembered(np.array([1, 0, 1]), np.array([6, 0, 6])).tolist() == [16, 0, 16]
    assert remembered(np.array([3, 1, 0]), np.array([2, 6, 5])).tolist() == [32, 16, 5]
    assert sorted(asked) == [(0, 0), (0, 5), (1, 6), (3, 2)]


def test_log_odds() -> None:
    assert log_odds(0.5) == 0.0
    assert log_odds(0.9) == pytest.approx(np.log(9))
    assert log_odds(0.0) == -np.inf
    assert log_odds(1.0) == np.inf
