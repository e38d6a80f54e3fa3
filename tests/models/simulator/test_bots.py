"""The bots of a day, each kind by what gives it away."""

import numpy as np
import pytest

from models.simulator.bots import SHARES
from models.simulator.traffic import (
    BURST_CLICKS,
    BURST_SILENT,
    CLICKER,
    CRAWLER,
    FARM,
    KINDS,
    METRONOME,
    STORM,
    Traffic,
    is_bot,
)
from tests.models.simulator.small_traffic import AIMS, a_day

MADE = a_day(bot_frac=0.2, storm=3000)


def bots(kind: int, made: Traffic = MADE) -> list[np.ndarray]:
    """The searches (rows, in order of time) of each bot of a kind."""
    mine = made.kinds == kind
    return [np.flatnonzero(made.clients == one) for one in np.unique(made.clients[mine])]


def test_bot_frac_is_divided_among_the_kinds() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    counts = {kind: int((MADE.kinds == kind).sum()) for kind in range(len(KINDS))}
    assert counts == {**counts, **{kind: 12_000 * share for kind, share in SHARES.items()}}
    assert counts[STORM] == 3000
    assert is_bot(MADE.kinds).sum() == 15_000
    assert len(MADE.queries) == 63_000


def test_nobody_is_two() -> None:
    pairs = np.unique(np.column_stack([MADE.clients, MADE.kinds]), axis=0)
    assert len(pairs) == len(np.unique(MADE.clients))
    sessions = np.unique(np.column_stack([MADE.sessions, MADE.clients]), axis=0)
    assert len(sessions) == len(np.unique(MADE.sessions))


@pytest.mark.parametrize(("kind", "rate"), [(BURST_CLICKS, 1.0), (BURST_SILENT, 0.0)])
def test_bursts_are_a_second_apart(kind: int, rate: float) -> None:
    for rows in bots(kind):
        gaps = np.diff(MADE.seconds[rows])
        assert 0.6 <= gaps.min() <= gaps.max() <= 1.4
        assert len(rows) == 200
        assert MADE.rates[MADE.clients[rows[0]]] == rate


def test_a_metronome_s_gaps_are_equal_within_two_percent_for_hours() -> None:
    found = bots(METRONOME)
    assert len(found) > 5
    for rows in found:
        gaps = np.diff(MADE.seconds[rows])
        assert gaps.max() / gaps.min() < 1.02
        assert 19.8 < gaps.min() < gaps.max() < 91
        assert MADE.seconds[rows[-1]] - MADE.seconds[rows[0]] > 3600 * 1.9
        assert MADE.rates[MADE.clients[rows[0]]] == 0
    pauses = [np.median(np.diff(MADE.seconds[rows])) for rows in found]
    assert np.std(pauses) > 5


def test_a_crawler_asks_for_everything_once() -> None:
    for rows in bots(CRAWLER):
        assert len(rows) > 200
        assert len(set(MADE.queries[rows])) == len(rows)
        gaps = np.diff(MADE.seconds[rows])
        assert 4 <= gaps.min() < gaps.max() <= 40
        assert gaps.std() > 8
        assert 0.01 < MADE.rates[MADE.clients[rows[0]]] < 0.02


def test_a_clicker_searches_as_people_do_and_clicks_most() -> None:
    for rows in bots(CLICKER):
        gaps = np.diff(MADE.seconds[rows])
        assert gaps.std() > np.median(gaps)
        assert 10 < np.median(gaps) < 300
        assert 0.6 < MADE.rates[MADE.clients[rows[0]]] <= 1


def test_a_farm_is_a_few_clients_with_one_item() -> None:
    leads = set(zip(AIMS.items.tolist(), AIMS.queries.tolist(), strict=True))
    clients_of: dict[int, set[int]] = {}
    for rows in bots(FARM):
        client = MADE.clients[rows[0]]
        target = int(MADE.targets[client])
        clients_of.setdefault(target, set()).add(client)
        assert {(target, int(query)) for query in MADE.queries[rows]} <= leads
        assert MADE.rates[client] == 0
        lengths = np.unique(MADE.sessions[rows], return_counts=True)[1]
        assert lengths.max() <= 6
        assert len(lengths) > 1
    sessions = [len(np.unique(MADE.sessions[rows])) for rows in bots(FARM)]
    assert 3 < np.mean(sessions) < 6
    assert {len(clients) for clients in clients_of.values()} == {2, 3, 4}
    others = np.setdiff1d(MADE.clients, MADE.clients[MADE.kinds == FARM])
    assert (MADE.targets[others] == -1).all()


@pytest.mark.parametrize("searches", range(3, 90, 8))
def test_small_farms_have_two_clients_where_they_can(searches: int) -> None:
    made = a_day(searches * 10 + 2, 0.999)
    clients = np.unique(made.clients[made.kinds == FARM])
    sizes = np.unique(made.targets[clients], return_counts=True)[1]
    assert sizes.min() >= 2
    assert sizes.max() <= 4


def test_a_storm_is_three_clients_and_the_head_query_within_an_hour() -> None:
    found = bots(STORM)
    assert [len(rows) for rows in found] == [1000] * 3
    rows = np.concatenate(found)
    assert set(MADE.queries[rows]) == {0}
    assert 3000 < np.ptp(MADE.seconds[rows]) <= 3600
    assert not (MADE.rates[MADE.clients[rows]] > 0).any()
