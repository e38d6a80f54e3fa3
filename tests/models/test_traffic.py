"""A day's traffic: Zipf queries, sessions of people, bursts of robots, all on one day."""

import numpy as np
import pytest

from models.cast import Cast, ranking
from models.traffic import CLICKS_ALL, CLICKS_NONE, DAY_S, PERSON, Traffic, traffic


def a_day(searches: int = 60_000, bot_frac: float = 0.02, zipf: float = 0.9) -> Traffic:
    return traffic(np.arange(2000), searches, bot_frac, zipf, np.random.default_rng(3))


def test_queries_repeat_by_zipf() -> None:
    counts = np.bincount(a_day().queries, minlength=2000)
    ranks = np.arange(1, 301)
    slope = np.polyfit(np.log(ranks), np.log(counts[:300]), 1)[0]
    assert slope == pytest.approx(-0.9, abs=0.05)


def test_the_ranking_decides_which_query_is_popular() -> None:
    made = traffic(np.array([5, 0, 3]), 3000, 0.0, 2.0, np.random.default_rng(3))
    counts = np.bincount(made.queries, minlength=6)
    assert counts[5] > counts[0] > counts[3] > 0
    assert counts[[1, 2, 4]].sum() == 0


def test_people_search_in_sessions_and_robots_in_bursts() -> None:
    made = a_day()
    assert (np.diff(made.seconds) >= 0).all()
    assert made.seconds.min() >= 0
    assert made.seconds.max() < DAY_S - 900  # what follows a search falls on its day
    person = made.kinds == PERSON
    assert (~person).sum() == 1200
    lengths = np.unique(made.sessions[person], return_counts=True)[1]
    assert lengths.mean() == pytest.approx(2.0, abs=0.1)
    robots = np.unique(made.clients[~person])
    assert not set(robots) & set(made.clients[person])
    for robot in robots:
        seconds = made.seconds[made.clients == robot]
        assert np.median(np.diff(seconds)) < 2
        assert len(seconds) > 20
    kinds = {made.kinds[made.clients == robot][0] for robot in robots}
    assert kinds == {CLICKS_ALL, CLICKS_NONE}
    of_session = dict(zip(made.sessions, made.clients, strict=True))
    assert [of_session[session] for session in made.sessions] == made.clients.tolist()


@pytest.mark.parametrize(("searches", "bot_frac"), [(1, 0.0), (1, 0.9), (3, 0.5), (50, 0.0)])
def test_small_days_have_their_searches_too(searches: int, bot_frac: float) -> None:
    assert len(a_day(searches, bot_frac).queries) == searches


def test_popularity_is_the_querys_own_and_short_ones_lead() -> None:
    texts = np.array([f"but {i}" if i % 2 else f"czarny duży but {i}" for i in range(400)], object)
    order = ranking(7, texts)
    assert [texts[::-1][i] for i in ranking(7, texts[::-1])] == [texts[i] for i in order]
    assert np.mean(order[:100] % 2) > 0.6


def test_people_keep_their_names_robots_do_not() -> None:
    made, texts = a_day(2000), np.array(['cudzysłów "x"'] * 2000, dtype=object)
    one, other = Cast(7, "2026-01-30", made, texts), Cast(7, "2026-01-31", made, texts)
    person = made.kinds == PERSON
    assert (one.clients == other.clients)[person].all()
    assert not (one.clients == other.clients)[~person].any()
    rows = np.arange(2000)
    words, again = one.words(rows), other.words(rows)
    assert len(set(words.ids)) == 2000
    assert not set(words.ids) & set(again.ids)
    assert not (set(words.sessions) & set(again.sessions)) - {""}
    assert words.texts[0] == r"cudzysłów \"x\""
    assert 0.01 < np.mean(words.sessions == "") < 0.12
    by_client = dict(zip(words.clients, one.dialects, strict=True))
    assert [by_client[client] for client in words.clients] == one.dialects.tolist()
