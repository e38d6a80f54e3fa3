"""ADORE: weights and loss by hand, and items that do not move by a bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ann.exact import nearest, pieces
from models.evaluation.recall import recall_and_rr
from models.towers.encode import encode_items, encode_queries
from models.towers.space_id import items_space, space_id
from models.towers.two_tower import TwoTower
from models.training.adore import AdorePlan, AdoreTraining, FrozenItems, adore_loss, own_query_tower, pair_weights
from models.training.batches import Known, Pairs
from models.training.fit import fit
from tests.models.shop import ITEMS, QUERIES, positives, towers


def test_weights_by_hand() -> None:
    found = pair_weights(torch.tensor([2, 4]), 3)  # the second is not among the three
    expected = [[1 / 2, 0, 1 / 2 - 1 / 3], [3 / 4, 1 / 4, 1 / 3 - 1 / 4]]
    assert found.numpy() == pytest.approx(np.array(expected))


def test_loss_by_hand() -> None:
    """Two queries in two dimensions; what is right makes no pair, whatever it scores."""
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    positives_ = torch.tensor([[0.6, 0.8], [0.8, 0.6]])  # scores .6 and .6
    found = torch.tensor([[[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]], [[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]]])
    rank = torch.tensor([3, 4])
    right = torch.tensor([[False, False, True], [False, True, False]])
    first = (1 - 1 / 3) * np.log1p(np.exp((1.0 - 0.6) / 0.1)) + (1 / 2 - 1 / 3) * np.log1p(np.exp((0.8 - 0.6) / 0.1))
    second = (1 - 1 / 4) * np.log1p(np.exp((1.0 - 0.6) / 0.1)) + (1 / 3 - 1 / 4) * np.log1p(np.exp((0.8 - 0.6) / 0.1))
    loss = adore_loss(queries, positives_, found, rank, right, 0.1)
    assert float(loss) == pytest.approx((first + second) / 2)


def refreshing(of: TwoTower, **settings: object) -> AdoreTraining:
    pairs = positives()
    vectors = encode_items(of, ITEMS)
    frozen = FrozenItems(lambda asked: nearest(asked, pieces(vectors), 20), lambda rows: vectors[rows])
    plan = AdorePlan(**{"batch_size": 8, "depth": 20, "lr": 1e-3, "trigram_lr": 1e-2, "epochs": 4, **settings})  # type: ignore[arg-type]
    return AdoreTraining(
        of,
        of.store_queries(QUERIES),
        Pairs(pairs[:, 0], pairs[:, 1]),
        Known(pairs[:, 0], pairs[:, 1], len(QUERIES)),
        frozen,
        plan,
    )


@pytest.mark.parametrize("settings", [{}, {"bert": False}, {"shared": False}])
def test_queries_learn_and_items_do_not_move_by_a_bit(settings: dict[str, object]) -> None:
    start = towers(**settings)  # type: ignore[arg-type]
    before = encode_items(start, ITEMS)
    own = own_query_tower(start)
    assert (encode_queries(own, QUERIES) == encode_queries(start, QUERIES)).all()
    assert own.config.items_of == space_id(start) == items_space(own)
    pairs = positives()
    known = Known(pairs[:, 0], pairs[:, 1], len(QUERIES))

    def rr() -> float:
        asked = encode_queries(own, QUERIES)
        return float(recall_and_rr(nearest(asked, [before], 10)[1], np.arange(len(QUERIES)), known)[1].mean())

    first, training = rr(), refreshing(own)
    losses = [step.loss for step in fit(training)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert rr() > first
    assert (encode_items(own, ITEMS) == before).all()
    assert (encode_items(start, ITEMS) == before).all()
    assert space_id(own) != space_id(start)
    # a second refresh keeps the first one's items
    assert own_query_tower(own).config.items_of == space_id(start)
    assert space_id(TwoTower.from_state(*own.state())) == space_id(own)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="own_query_tower"):
        refreshing(towers())
    with pytest.raises(ValueError, match="depth"):
        replace(AdorePlan(), depth=0)
    with pytest.raises(ValueError, match="temperature"):
        replace(AdorePlan(), temperature=0.0)
