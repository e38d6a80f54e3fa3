"""Training: it learns, it stops and goes on bit for bit, it says when it breaks."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch

from models.examples import Sampling
from models.fit import Step, Training, fit
from models.losses import in_batch_loss
from models.ragged import ragged
from models.towers import TwoTower
from tests.models.shop import BERT, ITEMS, QUERIES, examples, plan, positives, towers


def trained(of: TwoTower, **settings: object) -> list[Step]:
    return list(fit(Training(of, examples(of), plan(**settings))))


def weights(of: TwoTower) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in of.state()[2].items()}


def loss_of_all(of: TwoTower) -> float:
    data = examples(of)
    pairs = data.pairs
    known = torch.from_numpy(data.known.mask(pairs.query, pairs.item))
    q, pos = of.encode_queries(QUERIES)[pairs.query], of.encode_items(ITEMS)[pairs.item]
    return float(in_batch_loss(q, pos, known, 0.05))


@pytest.mark.parametrize("bert", [False, True])
def test_the_loss_falls_and_the_right_items_come_first(bert: bool) -> None:
    found = towers(bert)
    before = loss_of_all(found)
    steps = trained(found, epochs=12)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert [step.epoch for step in steps if step.ends_epoch] == list(range(12))
    assert loss_of_all(found) < 0.5 * before
    ranked = (found.encode_queries(QUERIES) @ found.encode_items(ITEMS).T).argmax(dim=1)
    right = {tuple(pair) for pair in positives().tolist()}
    assert np.mean([(q, int(i)) in right for q, i in enumerate(ranked)]) > 0.9


def test_warm_up_then_down_to_nothing() -> None:
    rates = [step.lr for step in trained(towers(), epochs=12, warmup_frac=0.25)]
    top = int(np.argmax(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_killed_training_goes_on_bit_for_bit(stop: int) -> None:
    """With dropout in BERT, feature dropout, made-up queries and hard negatives: all that draws."""
    lists = ragged([[(q + k) % len(ITEMS) for k in range(1, 4)] for q in range(len(QUERIES))])
    settings = {"sampling": {"trigram_dropout": 0.2, "hard": 2}, "epochs": 3}

    straight = towers()
    whole = list(fit(Training(straight, examples(straight, lists), plan(**settings))))

    killed = towers()
    first = Training(killed, examples(killed, lists), plan(**settings))
    before = list(itertools.islice(fit(first), stop))
    state = copy.deepcopy(first.state())
    torch.manual_seed(999)  # another process has another past
    fresh = towers(seed=5)
    second = Training(fresh, examples(fresh, lists), plan(**settings))
    second.restore(state)
    after = list(fit(second))

    assert [step.loss for step in before + after] == [step.loss for step in whole]
    for name, tensor in weights(straight).items():
        assert torch.equal(weights(fresh)[name], tensor), name


def gradient(chunk: int, dropout: float) -> dict[str, torch.Tensor]:
    lists = ragged([[q % len(ITEMS)] for q in range(len(QUERIES))])
    noisy = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    found = towers(bert={**BERT, **noisy})
    training = Training(found, examples(found, lists), plan(chunk=chunk, sampling={"hard": 1}))
    _, batch = next(training.examples.batches(training.plan.sampling, 0))
    found.train()
    training._backward(batch)
    return {name: p.grad.clone() for name, p in found.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("chunk", "dropout"), [(1, 0.0), (5, 0.0), (64, 0.0), (64, 0.2)])
def test_gradcache_is_the_plain_gradient(chunk: int, dropout: float) -> None:
    """Where one chunk holds all, the noise is that of the plain way too: both passes must draw it."""
    plain, cached = gradient(0, dropout), gradient(chunk, dropout)
    assert plain.keys() == cached.keys()
    for name, one in plain.items():
        assert torch.allclose(one, cached[name], atol=1e-6), name


def test_training_stops_at_max_steps() -> None:
    assert len(trained(towers(), max_steps=3)) == 3


def test_a_loss_that_is_no_number_is_a_clear_error() -> None:
    found = towers()
    with torch.no_grad():
        found.item_tower.trigrams.bag.weight.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="step 1: the loss is nan; lower the learning rate"):
        trained(found)


def test_hard_negatives_come_from_the_querys_own_list() -> None:
    found = towers(bert=False)
    lists = ragged([[] if q % 2 else [q, q + 1] for q in range(len(QUERIES))])
    data = examples(found, lists)
    rng = np.random.default_rng(0)
    query = np.arange(len(QUERIES) + 3)  # the last three are made up
    drawn = data._hard(query, 50, rng).reshape(len(query), 50)
    for q in range(len(QUERIES)):
        if q % 2 == 0:
            assert set(drawn[q].tolist()) == {q, q + 1}
    assert len(np.unique(drawn[1])) > 10  # no list: any item
    assert len(np.unique(drawn[-1])) > 10


def test_batches_mask_every_known_positive_and_every_repeat() -> None:
    found = towers(bert=False)
    lists = ragged([[0, 1, 2, 3]] * len(QUERIES))
    data = examples(found, lists)
    right = {tuple(pair) for pair in positives().tolist()}
    sampling = Sampling(12, crops_frac=0.5, hard=2)
    for number, batch in data.batches(sampling, 0):
        assert batch.known.shape == (12, 36)
        assert batch.known.diagonal().all()
        assert batch.hard is not None
        assert len(batch.hard) == 24
        assert number < data.steps_per_epoch(sampling)
    rng = np.random.default_rng(0)
    pairs = positives()[:6]
    batch = data._batch(sampling, data.queries, pairs[:, 0], pairs[:, 1], rng)
    for b, (query, _) in enumerate(pairs.tolist()):
        for c, (_, item) in enumerate(pairs.tolist()):
            assert batch.known[b, c] == ((query, item) in right)


def test_plan_refuses_what_cannot_train() -> None:
    for wrong in ({"lr": 0.0}, {"epochs": 0}, {"sampling": {"batch_size": 1}}):
        with pytest.raises(ValueError):
            plan(**wrong)
