"""The click model: its formulas by hand, its frequencies against its own theory."""

import numpy as np
import pytest

from models.simulator.click_model import ClickModel, appeals, behave, gain
from models.simulator.events import CART, CLICK, IMPRESSION, PURCHASE, Searchers, act, events
from models.simulator.traffic import BURST_CLICKS, CRAWLER, FARM, KEEN, METRONOME, PERSON, QUIET


def test_gain_is_that_of_graded_relevance() -> None:
    grades = np.array([0.0, 1.0, 2.0, 3.0])
    assert gain(grades, 0, 3) == pytest.approx([0, 1 / 7, 3 / 7, 1])
    assert gain(np.array([1.0, 3.0]), 1, 3) == pytest.approx([0, 1])  # another scale, its ends
    assert gain(np.array([2.0]), 2, 2) == pytest.approx([1])  # only one grade: all judged are good


def test_propensities_fall_as_a_power_of_rank() -> None:
    assert ClickModel(eta=1).propensities(4) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert ClickModel(eta=0.5).propensities(4)[3] == pytest.approx(0.5)
    assert ClickModel(eta=0).propensities(3) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("values", [{"eta": -1.0}, {"noise": 1.5}, {"cart": -0.1}])
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ClickModel(**values)


def test_click_frequencies_match_the_theory() -> None:
    searches, model = 60_000, ClickModel(eta=1.0, noise=0.1)
    gains = np.tile(np.array([0.0, 1.0, 3 / 7, 0.0, 1 / 7]), (searches, 1))
    done = behave(model, gains, np.ones(gains.shape, dtype=bool), np.random.default_rng(1))
    expected = np.array([0.1, 1.0, 0.1 + 0.9 * 3 / 7, 0.1, 0.1 + 0.9 / 7]) / np.arange(1, 6)
    observed = done.clicks.mean(axis=0)
    deviation = (observed - expected) ** 2 / (expected * (1 - expected) / searches)
    assert deviation.sum() < 20.5  # chi-square, 5 degrees of freedom, one in a thousand
    carts = done.carts[:, 1].sum() / done.clicks[:, 1].sum()
    assert carts == pytest.approx(model.cart, abs=0.015)
    assert not (done.carts & ~done.clicks).any()
    assert not (done.purchases & ~done.carts).any()
    assert not done.carts[:, 0].any()  # nobody buys what does not answer


def test_what_appeals_is_bought_more_often_and_clicked_as_often() -> None:
    appeal = appeals(np.arange(200_000), 1.0)
    assert appeal.mean() == pytest.approx(1.0, abs=0.03) and np.log(appeal).std() == pytest.approx(1.0, abs=0.01)
    assert (appeals(np.arange(9), 0.0) == 1).all()
    shown, gains = np.ones((60_000, 2), bool), np.ones((60_000, 2))
    done = behave(ClickModel(eta=0.0), gains, shown, np.random.default_rng(1), np.array([3.0, 0.5]))
    assert done.clicks.all() and done.carts.mean(axis=0) == pytest.approx([0.75, 0.125], abs=0.01)
    assert done.purchases.mean(axis=0) == pytest.approx([0.3, 0.05], abs=0.01)


def test_what_is_not_shown_is_not_clicked() -> None:
    shown = np.array([[True, False]] * 500)
    done = behave(ClickModel(), np.ones((500, 2)), shown, np.random.default_rng(1))
    assert done.clicks[:, 0].all()
    assert not done.clicks[:, 1].any()


def who(kinds: list[int], rate: float = 0.0, target: int = -1) -> Searchers:
    count = len(kinds)
    return Searchers(np.array(kinds), np.full(count, rate), np.full(count, target))


def test_each_kind_clicks_in_its_own_way() -> None:
    items = np.array([[4, 7, -1]] * 7)
    kinds = [PERSON, KEEN, QUIET, BURST_CLICKS, METRONOME, FARM, FARM]
    searchers = Searchers(np.array(kinds), np.array([0, 0, 0, 1.0, 0, 0, 0]), np.array([-1, -1, -1, -1, -1, 7, 9]))
    done = act(ClickModel(eta=0), np.ones((7, 3)), items, searchers, np.random.default_rng(1))
    seen = [True, True, False]
    # a farm clicks its target alone, and nothing where it is not shown
    expected = [seen, seen, [False] * 3, seen, [False] * 3, [False, True, False], [False] * 3]
    assert done.clicks.tolist() == expected
    assert not done.carts[2:5].any()
    assert not done.purchases[2:].any()


def test_a_crawler_clicks_at_random_and_a_farm_fills_carts() -> None:
    items, rng = np.tile(np.arange(20), (5000, 1)), np.random.default_rng(1)
    crawled = act(ClickModel(), np.ones((5000, 20)), items, who([CRAWLER] * 5000, rate=0.015), rng).clicks
    assert crawled.mean() == pytest.approx(0.015, rel=0.05)
    assert crawled.mean(axis=0) == pytest.approx(np.full(20, 0.015), abs=0.006)  # wherever it is
    farmed = act(ClickModel(), np.ones((5000, 20)), items, who([FARM] * 5000, target=11), rng)
    assert farmed.carts.sum() == pytest.approx(500, rel=0.15)
    assert not (farmed.carts & ~farmed.clicks).any()


def test_events_come_in_the_order_of_their_causes() -> None:
    items = np.tile([5, 6, 7], (2000, 1))
    done = act(ClickModel(), np.ones((2000, 3)), items, who([PERSON] * 2000), np.random.default_rng(1))
    made = events(np.arange(2000) * 10.0, items >= 0, done)
    at = {
        action: dict(zip(zip(made.searches[rows], made.places[rows], strict=True), made.seconds[rows], strict=True))
        for action in (IMPRESSION, CLICK, CART, PURCHASE)
        for rows in [made.actions == action]
    }
    assert len(at[IMPRESSION]) == 6000
    assert at[PURCHASE].keys() <= at[CART].keys() <= at[CLICK].keys() <= at[IMPRESSION].keys()
    for earlier, later in ((IMPRESSION, CLICK), (CLICK, CART), (CART, PURCHASE)):
        assert all(at[earlier][key] < when for key, when in at[later].items())
