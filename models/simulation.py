"""A simulated day in chunks: searches, what they were shown, what was clicked, and the log lines it leaves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.click_model import ClickModel
from models.day_log import Events, act, delivered, events
from models.shop_engine import Pool, result_lists
from models.traffic import PERSON, Traffic
from models.ubi import (
    DIALECTS,
    FAULTS,
    Dialect,
    Searches,
    broken_lines,
    event_lines,
    query_lines,
    stamps,
)

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.object_]
SEARCHES_AT_ONCE = 4096


@dataclass(frozen=True)
class Faults:
    """What goes wrong on the way: shares of the events (malformed: extra lines, as a share of all lines)."""

    duplicate_frac: float
    late_frac: float
    malformed_frac: float

    def __post_init__(self) -> None:
        for name in ("duplicate_frac", "late_frac", "malformed_frac"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ValueError(f"{name}={getattr(self, name)}: expected 0 to 0.5")


@dataclass(frozen=True)
class Day:
    """Part of a day. searches, dialects, bots, sent [S] and items [S, R] describe its searches; dialects index
    DIALECTS; `done` are its events as delivered; broken [E_broken]: (search, fault of FAULTS) of planted lines."""

    numbers: Ints
    dialects: Ints
    bots: Flags
    seconds: NDArray[np.float64]
    items: Ints
    done: Events
    broken: tuple[Ints, Ints]


def day(
    traffic: Traffic, dialects: Ints, pool: Pool, results: int, model: ClickModel, faults: Faults,
    rng: np.random.Generator,
) -> Iterator[Day]:  # fmt: skip
    """Yield the day in order of time, SEARCHES_AT_ONCE searches at a time: memory is that of a chunk."""
    for start in range(0, len(traffic.queries), SEARCHES_AT_ONCE):
        rows = np.arange(start, min(start + SEARCHES_AT_ONCE, len(traffic.queries)))
        items, gains = result_lists(pool, traffic.queries[rows], results, rng)
        behaviour = act(model, gains, items >= 0, traffic.kinds[rows], rng)
        made = events(traffic.seconds[rows], items >= 0, behaviour)
        done = delivered(made, faults.duplicate_frac, faults.late_frac, rng)
        lines = len(rows) + len(done.searches)
        searches = rng.integers(0, len(rows), rng.binomial(lines, faults.malformed_frac))
        yield Day(
            numbers=rows,
            dialects=dialects[rows],
            bots=traffic.kinds[rows] != PERSON,
            seconds=traffic.seconds[rows],
            items=items,
            done=done,
            broken=(searches, rng.integers(0, len(FAULTS), len(searches))),
        )


def lines(part: Day, number: int, said: Searches, item_ids: Words, midnight_ms: int) -> list[str]:
    """Return the records that application DIALECTS[number] wrote of this part, in order of time.

    said: the words of the part's searches; item_ids: JSON-safe, by row; midnight_ms since 1970, UTC.
    """
    dialect, mine = DIALECTS[number], part.dialects == number
    at = np.flatnonzero(mine)
    done, hits = part.done, np.where(part.items < 0, "", item_ids[part.items])
    of_event = np.flatnonzero(mine[done.searches])
    search, place = done.searches[of_event], done.places[of_event]
    of_fault = mine[part.broken[0]]
    broken, fault = part.broken[0][of_fault], part.broken[1][of_fault]
    asked = _some(said, at)
    texts = [
        query_lines(dialect, asked, hits[at], _at(dialect, part.seconds[at], midnight_ms)),
        event_lines(
            dialect,
            said,
            search,
            done.actions[of_event],
            place,
            hits[search, place],
            _at(dialect, done.seconds[of_event], midnight_ms),
        ),
        broken_lines(
            dialect,
            fault,
            said.ids[broken],
            _at(dialect, part.seconds[broken], midnight_ms),
        ),
    ]
    when = np.concatenate([part.seconds[at], done.seconds[of_event], part.seconds[broken]])
    written: list[str] = np.concatenate(texts)[np.argsort(when, kind="stable")].tolist()
    return written


def _at(dialect: Dialect, seconds: NDArray[np.float64], midnight_ms: int) -> Words:
    return stamps(dialect, midnight_ms + (seconds * 1000).astype(np.int64))


def _some(said: Searches, rows: Ints) -> Searches:
    return Searches(said.ids[rows], said.clients[rows], said.sessions[rows], said.texts[rows])
