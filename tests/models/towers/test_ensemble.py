"""Towers that join others: by hand, and through every way that a vector is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.text.tokens import train_tokenizer
from models.towers.encode import encode_items, encode_queries
from models.towers.ensemble import ensemble_config, reweighted
from models.towers.space_id import space_id
from models.towers.two_tower import PRESETS, TowerConfig, TwoTower

TITLES = ["red shoes", "blue lamp 512a", "czerwone buty", "kettle", "tent for two", "saw"]
ASKED = ["red shoes", "lamp", "buty", ""]
TINY = replace(PRESETS["tiny"], dim=32, trigram_buckets=1 << 10)
DEEP = replace(PRESETS["small"], dim=24, trigram_buckets=1 << 10)


def member(config: TowerConfig, seed: int) -> TwoTower:
    torch.manual_seed(seed)
    return TwoTower(config, train_tokenizer(TITLES, 200)).eval()


@pytest.mark.parametrize("config", [TINY, DEEP, replace(DEEP, shared=False)])
def test_a_score_is_the_weighted_sum_of_the_members_cosines(config: TowerConfig) -> None:
    one, two = member(config, 1), member(replace(config, dim=16), 2)
    joined = TwoTower.ensemble([one, two], (3.0, 4.0))
    queries, items = encode_queries(joined, ASKED), encode_items(joined, TITLES * 12)[: len(TITLES)]
    assert queries.shape == (4, config.dim + 16)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1, atol=1e-5)
    cosines = [encode_queries(each, ASKED) @ encode_items(each, TITLES).T for each in (one, two)]
    # 3 and 4 are .6 and .8 at norm 1; an item has both members at sqrt(1/2)
    expected = (0.6 * cosines[0] + 0.8 * cosines[1]) / 2**0.5
    np.testing.assert_allclose(queries @ items.T, expected, atol=1e-5)


def test_other_weights_change_queries_alone_and_every_change_the_space() -> None:
    one, two = member(TINY, 1), member(TINY, 2)
    even, uneven = (TwoTower.ensemble([one, two], weights) for weights in ((1, 1), (1, 3)))
    np.testing.assert_array_equal(encode_items(even, TITLES), encode_items(uneven, TITLES))
    scaled = reweighted(encode_queries(even, ASKED), [32, 32], (1, 1), (1, 3))
    np.testing.assert_allclose(scaled, encode_queries(uneven, ASKED), atol=1e-6)
    spaces = {space_id(each) for each in (one, two, even, uneven, TwoTower.ensemble([two, one], (1, 1)))}
    assert len(spaces) == 5


def test_state_round_trip_keeps_every_vector() -> None:
    joined = TwoTower.ensemble([member(DEEP, 1), member(DEEP, 2)], (1, 2))
    again = TwoTower.from_state(*joined.state())
    assert space_id(again) == space_id(joined)
    np.testing.assert_array_equal(encode_queries(again, ASKED), encode_queries(joined, ASKED))


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"heads": 2}, "several heads"),
        ({"trigram_buckets": 1 << 11}, "more than their dimension"),
        ({"cut": 8}, "is cut"),
    ],
)
def test_members_that_do_not_fit_are_refused(others: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ensemble_config([TINY, replace(TINY, **others)], (1, 1))


def test_other_tokenizers_weights_of_nothing_and_training_are_refused() -> None:
    other = TwoTower(TINY, train_tokenizer(["zażółć gęślą jaźń"] * 5, 120))
    with pytest.raises(ValueError, match="different tokenizers"):
        TwoTower.ensemble([member(TINY, 1), other], (1, 1))
    with pytest.raises(ValueError, match="one above it"):
        TwoTower.ensemble([member(TINY, 1), member(TINY, 2)], (0, 0))
    with pytest.raises(ValueError, match="train its members"):
        _ = TwoTower.ensemble([member(TINY, 1), member(TINY, 2)], (1, 1)).trained_sides
