"""A day's traffic: Zipf queries, people of three habits, all on one day of 23, 24 or 25 hours."""

import numpy as np
import pytest

from models.simulator.identities import MAX_SKEW_S, Identities, ranking
from models.simulator.traffic import KEEN, PERSON, QUIET, Visits, is_bot, running, visits, within
from models.simulator.traffic_mix import TrafficMix, traffic
from models.simulator.unusual_queries import UnusualShares, unusual_queries
from tests.models.simulator.small_traffic import AIMS, QUERIES, a_day


def test_queries_repeat_by_zipf() -> None:
    made = a_day()
    counts = np.bincount(made.queries[~is_bot(made.kinds)], minlength=QUERIES)
    ranks = np.arange(1, 301)
    slope = np.polyfit(np.log(ranks), np.log(counts[:300]), 1)[0]
    assert slope == pytest.approx(-0.9, abs=0.05)


def test_the_ranking_decides_which_query_is_popular() -> None:
    crowd = TrafficMix(3000, 0.0, 2.0)
    made = traffic(np.array([5, 0, 3]), AIMS, crowd, np.random.default_rng(3))
    counts = np.bincount(made.queries, minlength=6)
    assert counts[5] > counts[0] > counts[3] > 0
    assert counts[[1, 2, 4]].sum() == 0


@pytest.mark.parametrize("hours", [23, 24, 25])
def test_searches_are_in_order_and_on_their_day(hours: int) -> None:
    made = a_day(day_s=hours * 3600.0, storm=100)
    assert (np.diff(made.seconds) >= 0).all()
    assert made.seconds.min() >= 0
    assert made.seconds.max() < hours * 3600 - 900  # what follows a search falls on its day
    assert made.seconds.max() > (hours - 1) * 3600


def test_people_search_in_sessions_and_some_all_day() -> None:
    made = a_day()
    lengths = np.unique(made.sessions[made.kinds == PERSON], return_counts=True)[1]
    assert lengths.mean() == pytest.approx(2.0, abs=0.1)
    kind_of = dict(zip(made.clients, made.kinds, strict=True))  # one kind a client
    assert [kind_of[client] for client in made.clients] == made.kinds.tolist()
    people = [client for client, kind in kind_of.items() if kind in (PERSON, KEEN, QUIET)]
    # of all clients, those included that did not come today
    known = max(people) + 1
    for kind, share, least, most in ((KEEN, 0.01, 40, 150), (QUIET, 0.03, 8, 25)):
        clients, searches = np.unique(made.clients[made.kinds == kind], return_counts=True)
        assert len(clients) / known == pytest.approx(share, rel=0.1)
        assert searches.min() >= least
        assert searches.max() <= most
        for client in clients[:50]:
            mine = made.clients == client
            gaps = np.diff(made.seconds[mine])
            # as people do: no two gaps alike, and never twenty in a minute
            assert gaps.std() > 0.5 * np.median(gaps)
            assert len(gaps) < 20 or (made.seconds[mine][20:] - made.seconds[mine][:-20]).min() > 60
            assert len(np.unique(made.sessions[mine])) > 1
    of_session = dict(zip(made.sessions, made.clients, strict=True))
    assert [of_session[session] for session in made.sessions] == made.clients.tolist()


def test_clients_keep_their_habits_from_day_to_day() -> None:
    one, other = a_day(seed=3), a_day(seed=4)
    for kind in (KEEN, QUIET):
        here, there = (set(day.clients[day.kinds == kind].tolist()) for day in (one, other))
        assert here == there


@pytest.mark.parametrize("searches", [1, 2, 3, 50, 120, 211, 350, 800])
@pytest.mark.parametrize("bot_frac", [0.0, 0.1, 0.5, 0.9])
def test_small_days_have_their_searches_too(searches: int, bot_frac: float) -> None:
    made = a_day(searches, bot_frac)
    assert len(made.queries) == searches
    assert is_bot(made.kinds).sum() == round(searches * bot_frac)
    assert made.queries.min() >= 0


@pytest.mark.parametrize("settings", [{"searches": 0}, {"bot_frac": 1.0}, {"zipf": -1.0}, {"storm": -1}])
def test_a_crowd_that_cannot_be_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrafficMix(**{"searches": 10} | settings)  # type: ignore[arg-type]


def test_steps_are_summed_within_a_group() -> None:
    groups, steps = np.array([0, 0, 1, 2, 2, 2]), np.array([1.0, 2, 5, 1, 1, 1])
    assert running(groups, steps).tolist() == [1, 3, 5, 1, 2, 3]
    assert within(groups, steps).tolist() == [0, 2, 0, 0, 1, 2]


def test_visits_never_overlap() -> None:
    made = visits(np.repeat([0, 1, 2], [150, 1, 9]), 6.0, 84_600, np.random.default_rng(1))
    assert isinstance(made, Visits)
    for client in range(3):
        seconds = made.seconds[made.clients == client]
        assert (np.diff(seconds) > 0).all()
        assert 0 < seconds[0] <= seconds[-1] < 84_600
    assert (np.diff(made.sessions) >= 0).all()


def test_popularity_is_the_querys_own_and_short_ones_lead() -> None:
    texts = np.array([f"but {i}" if i % 2 else f"czarny duży but {i}" for i in range(400)], object)
    order = ranking(7, texts)
    assert [texts[::-1][i] for i in ranking(7, texts[::-1])] == [texts[i] for i in order]
    assert np.mean(order[:100] % 2) > 0.6


def cast(ds: str, skew_frac: float = 0.0) -> Identities:
    made, asked = unusual_queries(a_day(20_000), UnusualShares(), np.random.default_rng(1))
    return Identities(7, ds, made, np.array(['cudzysłów "x"'] * QUERIES, dtype=object), asked, skew_frac)


def test_people_keep_their_names_robots_do_not() -> None:
    one, other = cast("2026-01-30"), cast("2026-01-31")
    person = ~is_bot(a_day(20_000).kinds)
    assert (one.clients == other.clients)[person].all()
    assert not (one.clients == other.clients)[~person].any()
    rows = np.arange(4000, 6000)
    words, again = one.words(rows), other.words(rows)
    assert len(set(words.ids)) == 2000
    assert not set(words.ids) & set(again.ids)
    assert not (set(words.sessions) & set(again.sessions)) - {""}
    assert words.texts[0] == r"cudzysłów \"x\""
    assert one.typed(rows)[0] == 'cudzysłów "x"'
    assert 0.01 < np.mean(words.sessions == "") < 0.12
    by_client = dict(zip(words.clients, one.dialects[rows], strict=True))
    assert [by_client[client] for client in words.clients] == one.dialects[rows].tolist()


def test_a_client_s_clock_is_wrong_by_the_same_time_all_day() -> None:
    made = cast("2026-01-31", skew_frac=0.2)
    ahead = dict(zip(made.clients, made.skews, strict=True))
    assert [ahead[client] for client in made.clients] == made.skews.tolist()
    wrong = np.array([skew for skew in ahead.values() if skew])
    assert len(wrong) / len(ahead) == pytest.approx(0.2, rel=0.1)
    assert np.abs(wrong).max() <= MAX_SKEW_S == 900
    assert wrong.mean() == pytest.approx(0, abs=60)
    assert not cast("2026-01-31").skews.any()
