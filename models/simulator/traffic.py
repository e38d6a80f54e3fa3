"""The kinds of shoppers and bots, and the times of a client's searches within a day."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from models.simulator.arrays import Columns, Flags, Floats, Ints

# people first, bots from BURST_CLICKS on
KINDS = (
    *("person", "keen", "quiet"),
    *("burst_clicks", "burst_silent", "metronome", "crawler", "clicker", "farm", "storm"),
)
PERSON, KEEN, QUIET = range(3)
BURST_CLICKS, BURST_SILENT, METRONOME, CRAWLER, CLICKER, FARM, STORM = range(3, 10)

DAY_S = 86_400.0
GAP_S = 75.0  # between a person's searches, mean


@dataclass(frozen=True)
class Traffic:
    """S searches of C clients.

    queries [S]: which query, -1 where any may be drawn; clients, sessions [S]: numbers from 0; seconds [S] since
    midnight; kinds [S] index KINDS. rates [C]: share of the places shown that a bot clicks at random; targets [C]:
    the one item (row) that it clicks at every position, -1: none.
    """

    queries: Ints
    clients: Ints
    sessions: Ints
    seconds: Floats
    kinds: Ints
    rates: Floats
    targets: Ints


PER_SEARCH = ("queries", "clients", "sessions", "seconds", "kinds")  # fields of Traffic


@dataclass(frozen=True)
class Visits(Columns):
    """The searches of each of K clients: clients, sessions [S] from 0, both ascending; seconds [S]."""

    clients: Ints
    sessions: Ints
    seconds: Floats


def last_s(day_s: float) -> float:
    """The last moment to search at: what a late search leads to still falls on its day."""
    return day_s - 1_800


def is_bot(kinds: Ints) -> Flags:
    """Return True where the kind is a bot's."""
    return kinds >= BURST_CLICKS


def of_kind(
    kind: int, made: Visits, queries: Ints | int = -1, rates: Floats | float = 0.0, targets: Ints | int = -1
) -> Traffic:
    """Return visits as the traffic of one kind; one value holds for all searches, or all clients."""
    searches, clients = len(made.clients), int(made.clients.max(initial=-1)) + 1
    return Traffic(
        queries=np.broadcast_to(np.asarray(queries, dtype=np.int64), (searches,)),
        clients=made.clients,
        sessions=made.sessions,
        seconds=made.seconds,
        kinds=np.full(searches, kind),
        rates=np.broadcast_to(np.asarray(rates, dtype=np.float64), (clients,)),
        targets=np.broadcast_to(np.asarray(targets, dtype=np.int64), (clients,)),
    )


def joined(parts: Sequence[Traffic]) -> Traffic:
    """Put parts side by side: no client and no session of one is another's."""
    clients = np.cumsum([0, *(len(part.rates) for part in parts)])
    sessions = np.cumsum([0, *(int(part.sessions.max(initial=-1)) + 1 for part in parts)])
    apart = [
        replace(part, clients=client + part.clients, sessions=session + part.sessions)
        for part, client, session in zip(parts, clients, sessions, strict=False)
    ]
    return Traffic(*(np.concatenate([getattr(part, field.name) for part in apart]) for field in fields(Traffic)))


def zipf_shares(size: int, exponent: float) -> Floats:
    """Return p(rank) ~ 1 / rank ** exponent of ranks 1..size, summing to 1."""
    weights: Floats = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


def dealt(searches: int, each: int) -> Ints:
    """Return a client [S] for each search, ascending: about `each` searches a client, all within one."""
    return np.sort(np.arange(searches) % max(1, -(-searches // each)))


def running(groups: Ints, steps: Floats) -> Floats:
    """Sum the steps within each stretch of equal groups, its first step included."""
    total = np.cumsum(steps)
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    before = (total - steps)[first]
    return total - np.repeat(before, np.diff(np.append(first, len(groups))))


def within(groups: Ints, steps: Floats) -> Floats:
    """Sum the steps within each stretch of equal groups, from 0 at its first."""
    return running(groups, np.where(np.diff(groups, prepend=-1) != 0, 0.0, steps))


def visits(clients: Ints, length: float, last: float, rng: np.random.Generator) -> Visits:
    """Let clients [S, ascending from 0] search as people do: sessions of about `length` searches and twice that at
    most, a human gap between two searches of one, and pauses that spread them over the client's waking hours."""
    nth = within(clients, np.ones(len(clients)))
    opens = (nth % (2 * length) == 0) | (rng.random(len(clients)) < 1 / length)
    gaps = np.where(opens, 0.0, rng.exponential(GAP_S, len(clients)))
    pauses = np.where(opens, rng.exponential(1.0, len(clients)), 0.0)
    count = int(clients.max(initial=-1)) + 1
    wakes, hours = rng.uniform(0.2, 0.4, count) * last, rng.uniform(0.35, 0.55, count) * last
    busy = np.bincount(clients, gaps, count)
    # after the last session a day goes on as well, hence one pause more than there are sessions
    idle = np.bincount(clients, pauses, count) + rng.exponential(1.0, count)
    scale = np.maximum(hours - busy, 0.0) / idle
    seconds = wakes[clients] + running(clients, gaps + pauses * scale[clients])
    return Visits(clients, np.cumsum(opens) - 1, np.minimum(seconds, last))
