"""Trees by LightGBM: equal to its own call, whatever the size of a block; positions, weights and their text form."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from numpy.typing import NDArray

from models.reranking import trees
from models.reranking.static_score import fit_static_score
from models.reranking.training import list_ndcg
from models.reranking.trees import TreeData, TreeSettings, fit_trees, to_grades
from tests.real_data import DATA, needs

NAMES = [f"f{place}" for place in range(6)]
LISTS, LENGTH = 120, 25


def lists(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(LISTS * LENGTH, 6)).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    value = (
        np.nan_to_num(features[:, 0]) + 0.5 * np.nan_to_num(features[:, 1]) ** 2 + rng.normal(size=len(features)) / 3
    )
    return features, np.digitize(value, [0.8, 1.6]).astype(np.int32), np.full(LISTS, LENGTH)


def data(seed: int = 0, **more: NDArray[np.float32]) -> TreeData:
    features, grades, sizes = lists(seed)
    return TreeData(lambda start, stop: features[start:stop], grades, sizes, **more)  # type: ignore[arg-type]


SETTINGS = TreeSettings(rounds=30, levels=0, min_rows=20, column_frac=1.0)


def own_call(settings: TreeSettings, weight: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """LightGBM as its documentation calls it, with a whole matrix."""
    features, grades, sizes = lists()
    dataset = lgb.Dataset(features, grades, group=sizes, weight=weight, params=settings.parameters())
    booster = lgb.train(settings.parameters(), dataset, settings.rounds)
    return np.asarray(booster.predict(lists(1)[0]))


@pytest.mark.parametrize("rows", [37, 1_000, 16_384])
def test_trees_from_blocks_equal_lightgbms_own_call(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "BATCH_ROWS", rows)
    fitted = fit_trees(data(), None, NAMES, SETTINGS)
    np.testing.assert_allclose(fitted.booster.predict(lists(1)[0]), own_call(SETTINGS), atol=1e-9)


def test_weights_reach_the_trees() -> None:
    weight = np.where(np.arange(LISTS * LENGTH) % 2, 1.0, 0.05).astype(np.float32)
    fitted = fit_trees(data(weights=weight), None, NAMES, SETTINGS)
    np.testing.assert_allclose(fitted.booster.predict(lists(1)[0]), own_call(SETTINGS, weight), atol=1e-9)
    assert np.abs(fitted.booster.predict(lists(1)[0]) - own_call(SETTINGS)).max() > 0.01


@needs("lambdarank")
def test_lightgbms_example_gives_its_own_figures() -> None:
    """The documented settings of examples/lambdarank; the figures are those that LightGBM itself prints."""
    from tests.benchmarks._ranker_lists import lambdarank_set
    from tests.benchmarks._ranker_lists import trees as fit_ready

    train, test = (lambdarank_set(DATA / "lambdarank", name) for name in ("train", "test"))
    settings = TreeSettings(rounds=100, lr=0.1, levels=0, column_frac=1.0, truncation=30)
    fitted = fit_ready(train, settings, [f"f{place}" for place in range(train.features.shape[1])])
    dataset = lgb.Dataset(train.features, train.labels, group=train.sizes, params=settings.parameters())
    own = lgb.train(settings.parameters(), dataset, 100).predict(test.features)
    np.testing.assert_allclose(fitted.booster.predict(test.features), own, atol=1e-9)
    assert float(test.ndcg(np.asarray(own), 5).mean()) > 0.6


def test_dev_lists_end_the_training_and_choose_the_tree() -> None:
    fitted = fit_trees(data(), data(2), NAMES, TreeSettings(rounds=400, levels=0, min_rows=5, patience=10, lr=0.3))
    assert fitted.rounds < 400
    assert fitted.curve[fitted.rounds - 1] == max(fitted.curve)
    again = lgb.Booster(model_str=fitted.text())
    assert again.num_trees() == fitted.rounds
    kept = fitted.booster.predict(lists(1)[0], num_iteration=fitted.rounds)
    np.testing.assert_array_equal(again.predict(lists(1)[0]), kept)


def test_a_dev_figure_is_our_own_ndcg() -> None:
    settings = TreeSettings(rounds=20, levels=2, min_rows=20)
    fitted = fit_trees(data(), data(2), NAMES, settings)
    features, grades, _ = lists(2)
    scores = np.asarray(fitted.booster.predict(features, num_iteration=fitted.rounds)).reshape(LISTS, LENGTH)
    ndcg = list_ndcg(scores, grades.reshape(LISTS, LENGTH) / 2, np.ones(scores.shape, bool))
    assert fitted.curve[fitted.rounds - 1] == pytest.approx(ndcg.mean(), abs=1e-6)


def test_positions_take_the_places_part_of_the_clicks() -> None:
    """Clicks of items that are equally good fall with the place, and a feature knows the place."""
    rng = np.random.default_rng(0)
    place = np.tile(np.arange(LENGTH), LISTS).astype(np.int32)
    good = rng.random(LISTS * LENGTH)
    clicked = (rng.random(LISTS * LENGTH) < good / (1 + place)).astype(np.int32)
    features = np.stack([good, -place / LENGTH], axis=1).astype(np.float32)
    sizes = np.full(LISTS, LENGTH)
    weights = {}
    for unbiased in (False, True):
        rows = TreeData(lambda start, stop: features[start:stop], clicked, sizes, positions=place)
        fitted = fit_trees(rows, None, ["good", "place"], TreeSettings(rounds=40, levels=0, unbiased=unbiased))
        gain = fitted.booster.feature_importance("gain")
        weights[unbiased] = gain[1] / gain.sum()
    assert weights[True] < 0.8 * weights[False]


def test_labels_become_grades_and_the_smallest_stays_above_nothing() -> None:
    assert to_grades(np.array([0.0, 0.001, 0.5, 1.0]), 30).tolist() == [0, 1, 15, 30]
    gains = TreeSettings(levels=30).parameters()["label_gain"]
    assert (gains[0], gains[30]) == (0.0, 1.0)


def test_the_static_score_orders_items_by_what_they_will_bring() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.random((3_000, 4)).astype(np.float32)
    value = rng.poisson(5 * numbers[:, 0]).astype(np.float64)
    fitted = fit_static_score(numbers, value)
    assert fitted is not None
    fresh = rng.random((500, 4)).astype(np.float32)
    assert np.corrcoef(np.asarray(fitted.predict(fresh)), fresh[:, 0])[0, 1] > 0.95
    assert fit_static_score(numbers, np.zeros(3_000)) is None  # nothing was clicked: nothing to learn
    assert fit_static_score(numbers[:50], value[:50]) is None
