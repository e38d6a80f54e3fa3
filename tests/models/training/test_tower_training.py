"""TowerTraining: it learns, it stops and goes on bit for bit, it says when it breaks."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.text.ragged import ragged
from models.text.text_store import TextStore
from models.towers.two_tower import TwoTower
from models.training.examples import Sampling
from models.training.fit import Step, fit
from models.training.losses import Objective
from models.training.tower_training import TowerTraining
from tests.models.shop import ITEMS, QUERIES, examples, plan, positives, towers


def trained(of: TwoTower, **settings: object) -> list[Step]:
    return list(fit(TowerTraining(of, examples(of), plan(**settings))))


def weights(of: TwoTower) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in of.state()[2].items()}


def loss_of_all(of: TwoTower) -> float:
    """Mean over the pairs of -log of the right item's share, among it and all wrong ones."""
    scores = of.encode_queries(QUERIES) @ of.encode_items(ITEMS).T / 0.05
    known = torch.zeros(scores.shape, dtype=torch.bool)
    query, item = torch.from_numpy(positives()).T
    known[query, item] = True
    terms = scores.masked_fill(known, float("-inf"))[query]
    terms[torch.arange(len(query)), item] = scores[query, item]
    return float(functional.cross_entropy(terms, item))


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
    whole = list(fit(TowerTraining(straight, examples(straight, lists), plan(**settings))))

    killed = towers()
    first = TowerTraining(killed, examples(killed, lists), plan(**settings))
    before = list(itertools.islice(fit(first), stop))
    state = copy.deepcopy(first.state())
    torch.manual_seed(999)  # another process has another past
    fresh = towers(seed=5)
    second = TowerTraining(fresh, examples(fresh, lists), plan(**settings))
    second.restore(state)
    after = list(fit(second))

    assert [step.loss for step in before + after] == [step.loss for step in whole]
    for name, tensor in weights(straight).items():
        assert torch.equal(weights(fresh)[name], tensor), name


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
    drawn = data._hard(query, 50, rng)
    for q in range(len(QUERIES)):
        if q % 2 == 0:
            assert set(drawn[q].tolist()) == {q, q + 1}
    assert len(np.unique(drawn[1])) > 10  # no list: any item
    assert len(np.unique(drawn[-1])) > 10


def test_a_batch_knows_every_known_positive_among_its_items() -> None:
    found = towers(bert=False)
    lists = ragged([[0, 1, 2, 3]] * len(QUERIES))
    data = examples(found, lists)
    right = {tuple(pair) for pair in positives().tolist()}
    sampling = Sampling(12, synthetic_frac=0.0, hard=2, uniform=0.5)
    batches = list(data.batches(sampling, 0))
    assert len(batches) == data.steps_per_epoch(sampling)
    for batch in batches:
        joined = batch.columns
        assert len(batch) == len(batch.queries) == 12
        assert len(batch.items) == len(joined.item) == len(set(joined.item.tolist()))
        assert (joined.in_batch.sum(), joined.uniform.sum(), joined.mined.sum()) == (12, 6, 24)
        known = set(zip(*(side.tolist() for side in joined.known), strict=True))
        for b in range(12):
            of_row = {int(joined.item[c]) for row, c in known if row == b}
            asked = [q for q in range(len(QUERIES)) if same(batch.queries, b, data.queries, q)]
            assert of_row == {i for q, i in right if q in asked} & set(joined.item.tolist())


def same(stores: TextStore, row: int, others: TextStore, other: int) -> bool:
    """True for two texts of the same features."""
    mine, theirs = stores.take(np.array([row])), others.take(np.array([other]))
    return np.array_equal(mine.trigrams.values, theirs.trigrams.values)


def test_the_average_of_the_weights_is_judged_and_the_training_goes_on_from_its_own() -> None:
    found = towers(bert=False)
    start = weights(found)
    training = TowerTraining(found, examples(found), plan(ema=0.5))
    steps = fit(training)
    next(steps)
    one = weights(found)
    next(steps)
    two = weights(found)
    name = "item_tower.trigrams.bag.weight"
    expected = 0.5 * (0.5 * start[name] + 0.5 * one[name]) + 0.5 * two[name]
    with training.evaluated_weights():
        assert torch.allclose(weights(found)[name], expected)
    assert torch.equal(weights(found)[name], two[name])


def test_a_learnt_temperature_moves_and_stays_above_its_floor() -> None:
    found = towers(bert=False)
    steps = list(
        fit(
            TowerTraining(
                found,
                examples(found),
                plan(trigram_lr=0.5, objective=Objective(temperature=0.01, learn_temperature=True)),
            )
        )
    )
    assert len({step.figures["temperature"] for step in steps}) > 2
    assert min(step.figures["temperature"] for step in steps) >= 0.000999


def test_a_collapsed_space_is_a_clear_error() -> None:
    """All items on one point: the in-batch weights of nothing cannot pull them apart."""
    found = towers(bert=False)
    with torch.no_grad():
        found.item_tower.trigrams.bag.weight.copy_(torch.ones(16).expand(1 << 10, -1))
    settings = {"lr": 1e-9, "trigram_lr": 1e-9, "epochs": 60}
    with pytest.raises(RuntimeError, match=r"nearly one vector \(mean cosine 1.000, effective rank 1.0"):
        trained(found, **settings)


def test_plan_refuses_what_cannot_train() -> None:
    for wrong in ({"lr": 0.0}, {"epochs": 0}, {"sampling": {"batch_size": 1}}):
        with pytest.raises(ValueError):
            plan(**wrong)
