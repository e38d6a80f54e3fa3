"""The people of a simulated day: most search twice or so; a few search all day, a few never click."""

from dataclasses import replace

import numpy as np

from models.simulator.arrays import Ints
from models.simulator.traffic import GAP_S, KEEN, PERSON, QUIET, Traffic, Visits, last_s, of_kind, visits, within

_MORE_FRAC = 0.5  # chance that a session goes on after a search: two searches on average
_SESSIONS_PER_CLIENT = 1.4
# of every hundred clients, by number: so each keeps its habits from day to day
KEEN_OF_100, QUIET_OF_100 = (50,), (20, 53, 86)
KEEN_SEARCHES, QUIET_SEARCHES = (40, 150), (8, 25)  # a day, both ends included
_KEEN_SESSION, _QUIET_SESSION = 6.0, 4.0  # searches, mean
_OTHERS = np.setdiff1d(np.arange(100), KEEN_OF_100 + QUIET_OF_100)
_PER_CLIENT = (
    len(_OTHERS) * _SESSIONS_PER_CLIENT / (1 - _MORE_FRAC)
    + len(KEEN_OF_100) * sum(KEEN_SEARCHES) / 2
    + len(QUIET_OF_100) * sum(QUIET_SEARCHES) / 2
) / 100  # searches


def people(searches: int, day_s: float, rng: np.random.Generator) -> Traffic:
    """Draw the searches of people: of keen and quiet ones what they search, of the others the rest."""
    numbers = np.arange(round(searches / _PER_CLIENT))
    last = last_s(day_s)
    # at most 2.25 searches per client of all, so enough are left for the others
    keen = _all_day(numbers, KEEN_OF_100, KEEN_SEARCHES, _KEEN_SESSION, last, rng)
    quiet = _all_day(numbers, QUIET_OF_100, QUIET_SEARCHES, _QUIET_SESSION, last, rng)
    others = _others(searches - len(keen.clients) - len(quiet.clients), last, rng)
    parts = {PERSON: others, KEEN: keen, QUIET: quiet}
    starts = np.cumsum([0, *(int(part.sessions.max(initial=-1)) + 1 for part in parts.values())])
    apart = [replace(part, sessions=start + part.sessions) for start, part in zip(starts, parts.values(), strict=False)]
    kinds = np.repeat(list(parts), [len(part.clients) for part in parts.values()])
    return replace(of_kind(PERSON, Visits.joined(apart)), kinds=kinds)


def _all_day(
    numbers: Ints,
    of_100: tuple[int, ...],
    searches: tuple[int, int],
    session: float,
    last: float,
    rng: np.random.Generator,
) -> Visits:
    mine = numbers[np.isin(numbers % 100, of_100)]
    counts = rng.integers(searches[0], searches[1] + 1, len(mine))
    made = visits(np.repeat(np.arange(len(mine)), counts), session, last, rng)
    return Visits(mine[made.clients], made.sessions, made.seconds)


def _others(searches: int, last: float, rng: np.random.Generator) -> Visits:
    lengths = rng.geometric(1 - _MORE_FRAC, searches)  # at most one session per search
    sessions = np.repeat(np.arange(searches), lengths)[:searches]
    count = int(sessions.max(initial=-1)) + 1
    client = rng.integers(0, max(1, int(count / _SESSIONS_PER_CLIENT)), count)
    hundred, place = np.divmod(client, len(_OTHERS))
    start = rng.beta(2.2, 1.7, count) * (last - 1_200)  # quiet nights, busy evenings
    seconds = start[sessions] + within(sessions, rng.exponential(GAP_S, searches))
    numbers = hundred * 100 + _OTHERS[place]
    return Visits(numbers[sessions], sessions, np.minimum(seconds, last))
