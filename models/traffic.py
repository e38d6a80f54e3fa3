"""A day's searches: who searches what and when, people in sessions and robots in bursts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PERSON, CLICKS_ALL, CLICKS_NONE = 0, 1, 2
DAY_S = 86_400
_LAST_S = DAY_S - 1_800  # what a late search leads to still falls on its day
_MORE_FRAC = 0.5  # chance that a session goes on after a search: two searches on average
_SESSIONS_PER_CLIENT = 1.4
_GAP_S = 75.0  # between a person's searches, mean
_BOT_GAP_S = 1.0
_BOT_BURST = 200  # searches of one robot
_NOBODY = np.zeros(0, np.int64)  # queries are drawn for all searches together


@dataclass(frozen=True)
class Traffic:
    """S searches in order of time.

    queries [S]: which query; clients, sessions [S]: numbers from 0; seconds [S] since midnight;
    kinds [S]: PERSON, CLICKS_ALL or CLICKS_NONE.
    """

    queries: Ints
    clients: Ints
    sessions: Ints
    seconds: Floats
    kinds: Ints


def zipf_shares(size: int, exponent: float) -> Floats:
    """Return p(rank) ~ 1 / rank ** exponent of ranks 1..size, summing to 1."""
    weights: Floats = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


def traffic(
    ranking: Ints, searches: int, bot_frac: float, zipf: float, rng: np.random.Generator
) -> Traffic:
    """Draw a day of `searches` searches; `ranking` lists the queries, the most popular first.

    bot_frac of the searches are made by robots, in bursts about a second apart, one session each; half of the
    robots click everything that they are shown, half click nothing.
    """
    bots = round(searches * bot_frac)
    people = _people(searches - bots, rng)
    robots = _robots(bots, rng)
    clients = np.concatenate([people.clients, robots.clients + people.clients.max(initial=-1) + 1])
    sessions = np.concatenate(
        [people.sessions, robots.sessions + people.sessions.max(initial=-1) + 1]
    )
    seconds = np.concatenate([people.seconds, robots.seconds])
    kinds = np.concatenate([people.kinds, robots.kinds])
    queries = ranking[rng.choice(len(ranking), searches, p=zipf_shares(len(ranking), zipf))]
    order = np.argsort(seconds, kind="stable")
    return Traffic(queries, clients[order], sessions[order], seconds[order], kinds[order])


def _people(searches: int, rng: np.random.Generator) -> Traffic:
    lengths = rng.geometric(1 - _MORE_FRAC, searches)  # at most one session per search
    sessions = np.repeat(np.arange(searches), lengths)[:searches]
    count = int(sessions.max(initial=-1)) + 1
    client = rng.integers(0, max(1, int(count / _SESSIONS_PER_CLIENT)), count)
    start = rng.beta(2.2, 1.7, count) * (_LAST_S - 1_200)  # quiet nights, busy evenings
    seconds = start[sessions] + _within(sessions, rng.exponential(_GAP_S, searches))
    seconds = np.minimum(seconds, _LAST_S)
    return Traffic(_NOBODY, client[sessions], sessions, seconds, np.full(searches, PERSON))


def _robots(searches: int, rng: np.random.Generator) -> Traffic:
    count = max(2, -(-searches // _BOT_BURST))
    robot = np.sort(np.arange(searches) % count)
    start = rng.random(count) * (_LAST_S - 2 * _BOT_BURST * _BOT_GAP_S)
    seconds = start[robot] + _within(robot, rng.uniform(0.6, 1.4, searches) * _BOT_GAP_S)
    kinds = np.where(robot % 2 == 0, CLICKS_ALL, CLICKS_NONE)
    return Traffic(_NOBODY, robot, robot, seconds, kinds)


def _within(groups: Ints, steps: Floats) -> Floats:
    """Sum the steps within each run of equal groups, from 0 at its first."""
    if not len(groups):
        return steps
    total = np.cumsum(steps)
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return total - np.repeat(total[first], np.diff(np.r_[first, len(groups)]))
