"""Arrival of events: twice, late, days after, by wrong clocks, each as often as asked for."""

from collections import Counter

import numpy as np
import pytest

from models.simulator.delivery import Delivered, Faults, delayed_searches, delivered
from models.simulator.events import Events

SEARCHES, DAY_S = 20_000, 86_400.0
MADE = Events(
    searches=np.tile(np.arange(SEARCHES), 2),
    places=np.repeat([0, 1], SEARCHES),
    actions=np.zeros(2 * SEARCHES, dtype=np.int64),
    seconds=np.tile(np.linspace(0, 80_000, SEARCHES), 2),
)
COUNT = len(MADE.searches)


def sent(day_s: float = DAY_S, skew_s: float = 0.0, **shares: float) -> tuple[Delivered, np.ndarray]:
    faults = Faults(**{"duplicate_frac": 0.0, "late_frac": 0.0, "malformed_frac": 0.0} | shares)
    rng = np.random.default_rng(1)
    waits = delayed_searches(SEARCHES, faults, rng)
    skews = np.where(np.arange(SEARCHES) % 2, skew_s, 0.0)
    return delivered(MADE, waits, skews, faults, day_s, rng), waits


def test_without_faults_everything_arrives_once_on_its_day() -> None:
    found, waits = sent()
    assert len(found.searches) == COUNT
    assert not (found.duplicates.any() or found.late.any() or found.days.any() or waits.any())
    assert (found.stamps == found.seconds).all()
    assert (np.diff(found.seconds) >= 0).all()


@pytest.mark.parametrize("day_s", [82_800.0, 86_400.0, 90_000.0])
def test_duplicates_and_late_events_at_the_chosen_rates(day_s: float) -> None:
    found, _ = sent(day_s, duplicate_frac=0.05, late_frac=0.02)
    assert found.duplicates.sum() == len(found.searches) - COUNT
    assert found.duplicates.sum() / COUNT == pytest.approx(0.05, rel=0.1)
    assert found.late.sum() / COUNT == pytest.approx(0.02, rel=0.15)
    assert not (found.late & found.duplicates).any()
    assert (found.stamps[found.late] >= day_s + 7 * 3600).all()  # past six hours of grace
    assert (found.stamps[found.late] < day_s + 31 * 3600).all()
    assert (found.stamps[~found.late] <= 80_000).all()
    assert (np.diff(found.seconds) >= 0).all()
    assert not found.days.any()


def test_delayed_events_come_one_to_three_days_later_and_once() -> None:
    found, waits = sent(delayed_frac=0.1, duplicate_frac=0.05)
    alone = found.days > waits[found.searches]
    assert alone.sum() / COUNT == pytest.approx(0.1, rel=0.1)
    shares = np.bincount(found.days[alone], minlength=4) / alone.sum()
    assert shares == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=0.03)
    assert (waits > 0).mean() == pytest.approx(0.01, rel=0.2)
    # a search that waits takes all its events along, their second copies as well
    for search in np.flatnonzero(waits):
        assert set(found.days[found.searches == search]) == {waits[search]}
    keys = list(zip(found.searches, found.places, found.duplicates, strict=True))
    assert len(set(keys)) == len(keys)
    assert not found.again.any()
    assert (found.stamps == found.seconds).all()


def test_redelivered_events_come_today_and_tomorrow() -> None:
    found, waits = sent(redelivered_frac=0.05, delayed_frac=0.1)
    assert found.again.sum() / COUNT == pytest.approx(0.05, rel=0.1)
    assert (found.duplicates == found.again).all()
    assert set(found.days[found.again]) == {1}
    assert not waits[found.searches[found.again]].any()
    when = Counter(zip(found.searches, found.places, found.days, strict=True))
    for search, place in zip(found.searches[found.again], found.places[found.again], strict=True):
        assert (when[search, place, 0], when[search, place, 1]) == (1, 1)


def test_a_wrong_clock_moves_stamps_and_not_the_order_of_delivery() -> None:
    found, _ = sent(skew_s=-600.0, late_frac=0.02)
    wrong = found.searches % 2 == 1
    assert (found.stamps - found.seconds)[wrong] == pytest.approx(-600)
    assert (found.stamps == found.seconds)[~wrong].all()
    assert (np.diff(found.seconds) >= 0).all()
    assert found.stamps.min() < 0  # an event stamped on the day before


@pytest.mark.parametrize("name", ["duplicate_frac", "skew_frac", "delayed_frac", "malformed_frac"])
@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_shares_out_of_range_are_refused(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=f"{name}=.*expected 0 to 0.5"):
        sent(**{name: share})


def test_an_event_has_one_fault() -> None:
    with pytest.raises(ValueError, match=r"sum to 1\.2.*expected 1 at most"):
        sent(duplicate_frac=0.4, late_frac=0.4, delayed_frac=0.4)
