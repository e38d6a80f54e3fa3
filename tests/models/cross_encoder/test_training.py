"""Training of a cross-encoder: what it learns and from what, kill and go on."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch

from models.cross_encoder.model import CrossEncoder, PairScorer, PairTokens, share_in_order
from models.cross_encoder.training import CrossEncoderPlan, CrossEncoderTraining, PairExamples
from models.text.ragged import Ragged, ragged
from models.text.tokens import pad_id, token_store, train_tokenizer
from models.towers.tower import new_bert
from models.training.batches import Known
from models.training.fit import Step, fit
from tests.models.shop import BERT, ITEMS, QUERIES, positives

NOISY = {**BERT, "hidden_size": 32, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def examples(mined: Ragged | None = None) -> PairExamples:
    """Every pair of the little shop: a query with each item that has all its words."""
    query, item = positives().T
    ones = np.ones(len(query), np.float32)
    return PairExamples(query, item, ones, Known(query, item, len(QUERIES)), len(ITEMS), mined)


def training(seed: int = 0, **settings: object) -> CrossEncoderTraining:
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(ITEMS + QUERIES, 200)
    model = CrossEncoder(new_bert(NOISY, tokenizer.get_vocab_size(), pad_id(tokenizer)), pad_id(tokenizer))
    tokens = PairTokens(token_store(tokenizer, QUERIES, 8), token_store(tokenizer, ITEMS, 8))
    given = {"epochs": 3, "batch_size": 16, "drawn": 2, "lr": 3e-3, "precision": "fp32", **settings}
    return CrossEncoderTraining(model, tokens, examples(), CrossEncoderPlan(**given))  # type: ignore[arg-type]


def test_it_learns_which_item_has_the_words_of_the_query() -> None:
    begun = training(epochs=30)
    query, item = (side.ravel() for side in np.meshgrid(np.arange(len(QUERIES)), np.arange(len(ITEMS)), indexing="ij"))
    target = begun.examples.known.contains(query, item).astype(np.float32)
    scorer = PairScorer(begun.cross, begun.tokens, "fp32")
    assert share_in_order(query, target, scorer(query, item)).mean() < 0.6
    steps = list(fit(begun))
    assert steps[0].loss == pytest.approx(np.log(2), abs=0.4)
    assert share_in_order(query, target, scorer(query, item)).mean() > 0.85


def test_drawn_negatives_stand_beside_positives_and_are_never_known() -> None:
    query, item = positives().T
    half = np.arange(len(query)) % 2 == 0
    graded = np.where(half, 1.0, 0.3).astype(np.float32)
    made = PairExamples(query, item, graded, Known(query, item, len(QUERIES)), len(ITEMS))
    rows = np.arange(len(query))
    asked, drawn, target = made.with_drawn(rows, 40, np.random.default_rng(0))
    assert (asked[: len(rows)] == query).all() and (target[: len(rows)] == graded).all()
    known = set(zip(query.tolist(), item.tolist(), strict=True))
    beside = list(zip(asked[len(rows) :].tolist(), drawn[len(rows) :].tolist(), strict=True))
    assert not known & set(beside)
    assert (target[len(rows) :] == 0).all()
    # 40 for each positive, less those that were known after all
    assert 0.7 * 40 * half.sum() < len(beside) <= 40 * half.sum()
    assert {pair[0] for pair in beside} == set(query[half].tolist())
    assert len({pair[1] for pair in beside}) == len(ITEMS)


def test_negatives_are_drawn_from_the_querys_own_mined_list() -> None:
    lists = ragged([[] if q % 2 else [(q + 20) % len(ITEMS), (q + 21) % len(ITEMS)] for q in range(len(QUERIES))])
    made = examples(lists)
    asked, drawn, _ = made.with_drawn(np.arange(len(made)), 30, np.random.default_rng(0))
    asked, drawn = asked[len(made) :], drawn[len(made) :]
    for q in np.unique(asked).tolist():
        found = set(drawn[asked == q].tolist())
        assert found <= set(lists.take(np.array([q])).values.tolist()) if q % 2 == 0 else len(found) > 10


@pytest.mark.parametrize("stop", [1, 4])
def test_a_killed_training_goes_on_bit_for_bit(stop: int) -> None:
    straight = training()
    whole = list(fit(straight))
    killed = training()
    before = list(itertools.islice(fit(killed), stop))
    state = copy.deepcopy(killed.state())
    torch.manual_seed(999)
    again = training(seed=5)
    again.restore(state)
    after: list[Step] = list(fit(again))
    assert [step.loss for step in before + after] == [step.loss for step in whole]
    assert all(torch.equal(again.weights()[name], one) for name, one in straight.weights().items())


def test_a_loss_that_is_no_number_is_a_clear_error() -> None:
    broken = training()
    with torch.no_grad():
        broken.cross.score.bias.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="step 1: the loss is nan; lower the learning rate"):
        list(fit(broken))
