"""Days that hand on what they deliver too late: every event once, in the log that the truth states; wrong clocks; and
days of 23 and 25 hours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import Pinned
from jobs.lake.windows import bounds
from jobs.simulator import marketplace
from tests.jobs.simulator.simulated import APPLICATIONS, DS, milliseconds, records, simulated, truths

DAYS = [f"2026-02-{day:02d}" for day in range(1, 6)]
FAULTS = {
    "searches": 900,
    "delayed_frac": 0.05,
    "redelivered_frac": 0.03,
    "duplicate_frac": 0.02,
    "malformed_frac": 0.01,
}
Key = tuple[str, str, str, int]


@pytest.fixture
def shop(lake: Path) -> None:
    marketplace.main(marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS), items=600, queries=60))


def delivered(log: Pinned) -> tuple[Counter[Key], dict[str, dict[str, Any]], list[int]]:
    """Events (search, action, item, position) as often as they came; query records; stamps of events."""
    events: Counter[Key] = Counter()
    searches: dict[str, dict[str, Any]] = {}
    stamps = []
    for application in APPLICATIONS:
        for record in records(log, application)[0]:
            if "user_query" in record:
                assert record["query_id"] not in searches
                searches[record["query_id"]] = record
            elif "client_id" in record:  # planted faults have none
                at = record["event_attributes"]
                position = at["position"]["ordinal"] + (application == "shop-app")
                action = record["action_name"].replace("click_through", "click")
                events[record["query_id"], action, at["object"]["object_id"], position] += 1
                stamps.append(milliseconds(record["timestamp"]))
    return events, searches, stamps


def expected(truth: pd.DataFrame, days: int) -> Counter[Key]:
    """The truth about a day's events that the log delivers so many days later."""
    then = truth[truth["delayed_days"] == days]
    return Counter(zip(then["search_id"], then["action"], then["item_id"], then["position"], strict=True))


@pytest.mark.usefixtures("shop")
def test_every_delayed_event_arrives_once_in_the_log_of_its_day() -> None:
    told, logs, counts = [], [], []
    for number, ds in enumerate(DAYS):
        before = ",".join(f"simulated_truth/ds={day}" for day in DAYS[max(0, number - 3) : number])
        log, truth = simulated(ds, before=before, **FAULTS)
        logs.append(delivered(log))
        told.append(truths(truth))
        counts.append(told[-1][2])
        assert len(log.manifest.inputs) == 2 + min(number, 3)
    for number, (events, searches, stamps) in enumerate(logs):
        of_days = [(told[number - days], days) for days in range(min(3, number) + 1)]
        assert events == sum((expected(day[0], days) for day, days in of_days), Counter())
        due = [day[1][day[1]["delayed_days"] == days].index for day, days in of_days]
        assert sorted(searches) == sorted(name for names in due for name in names)
        first = round(bounds(DAYS[number])[0].timestamp() * 1000)
        # rightly stamped: what comes late is of the day it is of
        late = sum(stamp < first for stamp in stamps)
        assert late == sum(expected(day[0], days).total() for day, days in of_days[1:])
        day = counts[number]
        assert len(searches) == day["searches"] - day["delayed_searches"] + day.get("arrived_searches", 0)
        lost = day["delayed_events"] + day["redelivered"]
        assert events.total() == day["events"] - lost + day.get("arrived_events", 0)


@pytest.mark.usefixtures("shop")
def test_as_much_is_held_back_as_asked_for() -> None:
    events, searches, day = truths(simulated(DAYS[0], **FAULTS)[1])
    alone = events["delayed_days"] > searches["delayed_days"].loc[events["search_id"]].to_numpy()
    again = events["is_duplicate"] & alone
    assert again.sum() == day["redelivered"]
    assert again.sum() / len(events) == pytest.approx(0.03, rel=0.2)
    assert (alone & ~again).sum() / len(events) == pytest.approx(0.05, rel=0.2)
    assert set(events["delayed_days"]) == {0, 1, 2, 3}
    assert set(searches["delayed_days"]) == {0, 1, 2, 3}
    # a search that waits takes its events along
    whole = searches["delayed_days"].loc[events["search_id"]].to_numpy()
    assert (events["delayed_days"][whole > 0] == whole[whole > 0]).all()


@pytest.mark.usefixtures("shop")
def test_what_arrives_is_spread_over_the_day() -> None:
    simulated(DAYS[0], **FAULTS)
    log, _ = simulated(DAYS[1], before=f"simulated_truth/ds={DAYS[0]}", **FAULTS)
    first = round(bounds(DAYS[1])[0].timestamp() * 1000)
    for application in APPLICATIONS:
        found = [record for record in records(log, application)[0] if "client_id" in record]
        early = [n for n, record in enumerate(found) if milliseconds(record["timestamp"]) < first]
        assert len(early) > 20
        quarters = Counter(4 * n // len(found) for n in early)
        assert min(quarters[quarter] for quarter in range(4)) > len(early) / 8


@pytest.mark.usefixtures("shop")
def test_a_day_again_makes_the_same_bytes_and_holds_back_nothing_unasked() -> None:
    made = [simulated(DAYS[0], **FAULTS) for _ in range(2)]
    for one, other in zip(*made, strict=True):
        assert one.manifest.content_sha256 == other.manifest.content_sha256
    assert sum("delayed" in entry.name for entry in made[0][1].entries()) == 6
    _, truth = simulated(DAYS[0], searches=300)
    assert not [entry.name for entry in truth.entries() if "delayed" in entry.name]
    simulated(DAYS[1], searches=300, before=f"simulated_truth/ds={DAYS[0]}")


@pytest.mark.usefixtures("shop")
def test_wrong_clocks_move_the_events_of_a_client_and_no_search() -> None:
    log, truth = simulated(searches=1500, skew_frac=0.2, late_frac=0.0, malformed_frac=0.0)
    searches = truths(truth)[1]
    ahead = searches.groupby("client_id")["skew_s"].agg(["nunique", "first"])
    assert (ahead["nunique"] == 1).all()
    assert ahead["first"].ne(0).mean() == pytest.approx(0.2, rel=0.2)
    assert ahead["first"].abs().max() <= 900
    asked = {name: milliseconds(row["timestamp"]) for name, row in delivered(log)[1].items()}
    straight = {}
    for application in APPLICATIONS:
        for record in records(log, application)[0]:
            if record.get("action_name") == "impression":
                after = milliseconds(record["timestamp"]) - asked[record["query_id"]]
                straight[record["query_id"]] = after - 1000 * searches["skew_s"][record["query_id"]]
    # an impression comes 0.3 s after its search, by a clock that is right
    assert pd.Series(straight).to_numpy() == pytest.approx(300, abs=2)
    first, after = (at.timestamp() * 1000 for at in bounds(DS))
    assert all(first <= at < after for at in asked.values())


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("ds", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_the_shop_s_clocks_say(monkeypatch: pytest.MonkeyPatch, ds: str, hours: int) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Europe/Warsaw")
    log, truth = simulated(ds, searches=3000, malformed_frac=0.0, late_frac=0.01)
    _, searches, stamps = delivered(log)
    first, after = (round(at.timestamp() * 1000) for at in bounds(ds))
    assert after - first == hours * 3_600_000
    asked = [milliseconds(record["timestamp"]) for record in searches.values()]
    assert first <= min(asked) <= max(asked) < after - 1_800_000
    assert max(asked) > after - 3 * 3_600_000
    # late ones are stamped on the day after, from 7 in the morning on
    late = [stamp for stamp in stamps if stamp >= after]
    assert len(late) == truths(truth)[2]["late"]
    assert min(late) >= after + 7 * 3_600_000


@pytest.mark.usefixtures("shop")
def test_a_day_that_a_zone_skipped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Pacific/Apia")
    with pytest.raises(ValueError, match="2011-12-30: a day of 0 s"):
        simulated("2011-12-30")
