"""Texts that only a few people type: how many, whose, and what they stand for."""

from collections import defaultdict

import numpy as np
import pytest

from models.simulator.traffic import is_bot
from models.simulator.unusual_queries import RARE_CLIENTS, UnusualShares, unusual_queries
from tests.models.simulator.small_traffic import QUERIES, a_day

TEXTS = np.array([f"but numer {number}" for number in range(QUERIES)], dtype=object)
TRAFFIC = a_day(20_000, 0.1)
PEOPLE = ~is_bot(TRAFFIC.kinds)
MADE, ASKED = unusual_queries(TRAFFIC, UnusualShares(0.05, 0.1), np.random.default_rng(1))
SAID = ASKED.texts(np.arange(20_000), TEXTS[MADE.queries])


def test_as_many_as_asked_for_and_people_s_alone() -> None:
    assert (ASKED.personal >= 0).sum() == round(0.05 * PEOPLE.sum())
    assert (ASKED.clients > 0).sum() == round(0.1 * PEOPLE.sum())
    assert PEOPLE[ASKED.rows].all()
    assert (np.diff(ASKED.rows) > 0).all()
    assert ((ASKED.personal >= 0) ^ (ASKED.clients > 0)).all()


def test_personal_texts_stand_alone_or_behind_their_query() -> None:
    bare = 0
    for row, tail in zip(ASKED.rows, ASKED.tails, strict=True):
        query = TEXTS[MADE.queries[row]]
        assert SAID[row] in (tail, f"{query} {tail}")
        bare += SAID[row] == tail
    assert bare / (ASKED.personal >= 0).sum() == pytest.approx(0.5, abs=0.05)
    private = SAID[ASKED.rows[ASKED.personal >= 0]]
    assert len(set(private)) == len(private)  # one client each


def test_a_rare_text_has_its_clients_and_one_query() -> None:
    clients, queries = defaultdict(set), defaultdict(set)
    for row in range(20_000):
        clients[SAID[row]].add(MADE.clients[row])
        queries[SAID[row]].add(MADE.queries[row])
    rare = ASKED.clients > 0
    for row, planted in zip(ASKED.rows[rare], ASKED.clients[rare], strict=True):
        assert len(clients[SAID[row]]) == planted <= RARE_CLIENTS
        assert len(queries[SAID[row]]) == 1
    assert set(ASKED.clients[rare]) == set(range(1, RARE_CLIENTS + 1))


def test_all_others_are_as_they_were() -> None:
    others = np.setdiff1d(np.arange(20_000), ASKED.rows)
    assert (MADE.queries[others] == TRAFFIC.queries[others]).all()
    assert (SAID[others] == TEXTS[MADE.queries[others]]).all()


def test_a_chunk_s_texts_are_those_of_the_day() -> None:
    rows = np.arange(7000, 9000)
    assert (ASKED.texts(rows, TEXTS[MADE.queries[rows]]) == SAID[rows]).all()


def test_words_of_two_days_are_not_the_same() -> None:
    _, other = unusual_queries(TRAFFIC, UnusualShares(0.0, 0.1), np.random.default_rng(2))
    assert not set(other.tails) & set(ASKED.tails)


def test_nothing_is_planted_unless_asked_for() -> None:
    made, asked = unusual_queries(TRAFFIC, UnusualShares(), np.random.default_rng(1))
    assert not len(asked.rows)
    assert (made.queries == TRAFFIC.queries).all()
    assert len(unusual_queries(TRAFFIC, UnusualShares(0.5, 0.5), np.random.default_rng(1))[1].rows) == PEOPLE.sum()


@pytest.mark.parametrize(
    ("personal", "rare"), [(-0.1, 0.0), (0.0, -0.1), (0.6, 0.6), (float("nan"), 0.0), (0.0, float("nan"))]
)
def test_shares_out_of_range_are_refused(personal: float, rare: float) -> None:
    with pytest.raises(ValueError, match="expected shares"):
        UnusualShares(personal, rare)
