"""The click model: its formulas by hand, its frequencies against its own theory."""

import numpy as np
import pytest

from models.click_model import ClickModel, behave, gain
from models.day_log import CART, CLICK, IMPRESSION, PURCHASE, act, delivered, events
from models.traffic import CLICKS_ALL, CLICKS_NONE, PERSON


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


def test_what_is_not_shown_is_not_clicked() -> None:
    shown = np.array([[True, False]] * 500)
    done = behave(ClickModel(), np.ones((500, 2)), shown, np.random.default_rng(1))
    assert done.clicks[:, 0].all()
    assert not done.clicks[:, 1].any()


def test_robots_click_all_or_nothing() -> None:
    shown = np.array([[True, True, False]] * 3)
    kinds = np.array([PERSON, CLICKS_ALL, CLICKS_NONE])
    done = act(ClickModel(), np.ones((3, 3)), shown, kinds, np.random.default_rng(1))
    assert done.clicks[1].tolist() == [True, True, False]
    assert not done.clicks[2].any()
    assert not (done.carts[1:].any() or done.purchases[1:].any())


def test_events_come_in_the_order_of_their_causes() -> None:
    shown = np.ones((2000, 3), dtype=bool)
    done = act(
        ClickModel(), np.ones((2000, 3)), shown, np.zeros(2000, int), np.random.default_rng(1)
    )
    made = events(np.arange(2000) * 10.0, shown, done)
    at = {
        action: dict(
            zip(
                zip(made.searches[rows], made.places[rows], strict=True),
                made.seconds[rows],
                strict=True,
            )
        )
        for action in (IMPRESSION, CLICK, CART, PURCHASE)
        for rows in [made.actions == action]
    }
    assert len(at[IMPRESSION]) == 6000
    assert at[PURCHASE].keys() <= at[CART].keys() <= at[CLICK].keys() <= at[IMPRESSION].keys()
    for earlier, later in ((IMPRESSION, CLICK), (CLICK, CART), (CART, PURCHASE)):
        assert all(at[earlier][key] < when for key, when in at[later].items())


def test_duplicates_and_late_events_at_the_chosen_rates() -> None:
    shown = np.ones((20_000, 2), dtype=bool)
    rng = np.random.default_rng(1)
    done = act(ClickModel(), np.zeros((20_000, 2)), shown, np.zeros(20_000, int), rng)
    made = events(np.full(20_000, 80_000.0), shown, done)
    sent = delivered(made, duplicate_frac=0.05, late_frac=0.02, rng=rng)
    assert sent.duplicates.sum() == len(sent.searches) - len(made.searches)
    assert sent.duplicates.sum() / len(made.searches) == pytest.approx(0.05, rel=0.1)
    assert sent.late.sum() / len(made.searches) == pytest.approx(0.02, rel=0.15)
    assert not (sent.late & sent.duplicates).any()
    assert (sent.seconds[sent.late] >= 30 * 3600).all()  # past midnight and six hours of grace
    assert (sent.seconds[~sent.late] < 86_400).all()
    assert (np.diff(sent.seconds) >= 0).all()
