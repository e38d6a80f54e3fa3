"""Pre-training: it learns, it stops and goes on bit for bit, any step can be repeated alone."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch

from models.pretraining.masking import Masker
from models.pretraining.mlm import MaskedLM, evaluate, mask_dev_texts, unigram_baseline
from models.pretraining.training import MaskedLMPlan, MaskedLMTraining
from models.text.ragged import Ragged, ragged
from models.training.fit import Step, fit
from tests.models.pretraining.test_mlm import STORE, TOKENIZER, model


def training(seed: int = 0, texts: Ragged = STORE, **settings: object) -> MaskedLMTraining:
    plan = MaskedLMPlan(**{"epochs": 3, "batch_tokens": 64, "lr": 3e-3, "seed": 4, "precision": "fp32", **settings})  # type: ignore[arg-type]
    return MaskedLMTraining(model(seed), texts, Masker(TOKENIZER), plan)


def weights(of: MaskedLM) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in of.state_dict().items()}


def test_it_learns_what_a_guess_cannot_know() -> None:
    found = training(epochs=60, lr=1e-2)
    counts = np.bincount(STORE.values, minlength=TOKENIZER.get_vocab_size())
    counts[:5] = 0
    exam = mask_dev_texts(found.masker, STORE, 640, 1)
    bar = unigram_baseline(counts, exam)
    steps = list(fit(found))
    assert [step.number for step in steps] == list(range(1, found.total + 1))
    assert [step.epoch for step in steps if step.ends_epoch] == list(range(60))
    after = evaluate(found.model, exam)
    assert after.accuracy > 1.5 * bar.accuracy
    assert after.loss < bar.loss - 1


def test_every_text_once_an_epoch_like_lengths_together() -> None:
    found = training()
    orders = [list(found.batches(epoch)) for epoch in (0, 1)]
    for batches in orders:
        assert sorted(np.concatenate(batches)) == list(range(len(STORE)))
        assert len(batches) == found.steps_per_epoch
        for rows in batches:
            longest = STORE.lengths[rows].max()
            assert np.ptp(STORE.lengths[rows]) <= 3
            # that many are computed on average: a word in seven is drawn
            assert len(rows) * longest * min(1, 0.15 * (longest - 2)) <= 64
    assert not np.array_equal(np.concatenate(orders[0]), np.concatenate(orders[1]))
    again = list(found.batches(1, skip=3))
    assert all(np.array_equal(a, b) for a, b in zip(again, orders[1][3:], strict=True))


def test_padding_is_what_is_reported() -> None:
    for step in fit(training(epochs=1)):
        assert 0.0 <= step.figures["padded_frac"] < 0.3
        assert step.units <= 1.5 * 64


@pytest.mark.parametrize(("stop", "precision"), [(1, "fp32"), (5, "fp32"), (8, "bf16")])
def test_a_killed_training_goes_on_bit_for_bit(stop: int, precision: str) -> None:
    """With dropout, across the end of an epoch; no random generator is in the state."""
    straight = training(precision=precision)
    whole = list(fit(straight))
    killed = training(precision=precision)
    before = list(itertools.islice(fit(killed), stop))
    state = copy.deepcopy(killed.state())
    torch.manual_seed(999)  # another process has another past
    fresh = training(seed=5, precision=precision)
    fresh.restore(state)
    after = list(fit(fresh))

    def seen(steps: list[Step]) -> list[tuple[float, float, int]]:
        return [(step.loss, step.lr, step.units) for step in steps]

    assert straight.model.bert.config.hidden_dropout_prob > 0
    assert seen(before + after) == seen(whole)
    for name, one in weights(straight.model).items():
        assert torch.equal(weights(fresh.model)[name], one), name


def test_any_step_can_be_repeated_alone() -> None:
    found = training()
    rows = next(found.batches(1, skip=2))
    one, same = found.mask(rows, 1, 2), found.mask(rows, 1, 2)
    assert np.array_equal(one.ids, same.ids)
    others = [found.mask(rows, 1, 3), found.mask(rows, 0, 2)]
    assert all(o.ids.shape != one.ids.shape or (o.ids != one.ids).any() for o in others)


def test_warm_up_then_down_to_nothing() -> None:
    rates = [step.lr for step in fit(training(warmup_frac=0.25))]
    top = int(np.argmax(rates))
    assert top > 0
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 1e-4


def test_training_stops_at_max_steps() -> None:
    steps = list(fit(training(max_steps=2)))
    assert len(steps) == 2
    assert steps[-1].ends_epoch


def test_norms_and_biases_do_not_decay() -> None:
    groups = training().optimiser.param_groups
    assert {(one.ndim > 1, group["weight_decay"]) for group in groups for one in group["params"]} == {
        (True, 0.01),
        (False, 0.0),
    }


def test_a_text_of_which_nothing_is_drawn_costs_nothing() -> None:
    """Texts of one word: about one in seven is read at a step."""
    one_word = STORE.take(np.repeat(np.flatnonzero(STORE.lengths == STORE.lengths.min())[:1], 200))
    found = training(texts=one_word, batch_tokens=10_000, epochs=1)
    (step,) = fit(found)
    assert step.units < 0.3 * len(one_word.values)


def test_a_loss_that_is_no_number_is_a_clear_error() -> None:
    found = training()
    with torch.no_grad():
        found.model.bias.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="step 1: the loss is nan; lower the learning rate"):
        list(fit(found))


def test_plan_refuses_what_cannot_train() -> None:
    for wrong in ({"lr": 0.0}, {"lr": float("nan")}, {"epochs": 0}, {"batch_tokens": 0}):
        with pytest.raises(ValueError, match="must be > 0"):
            training(**wrong)
    assert training(texts=ragged([[2, 5, 3]])).steps_per_epoch == 1
