"""A simulated day in chunks: searches, result lists, clicks, and the lines of the log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.simulator.arrays import Floats, Ints, Words
from models.simulator.browse import NOTHING, Browsed, Companions, browse
from models.simulator.click_model import ClickModel
from models.simulator.delivery import Delivered, Faults, delayed_searches, delivered
from models.simulator.events import Searchers, act, events
from models.simulator.shop_engine import Pool, result_lists
from models.simulator.taste import NO_TASTE, Shoppers, Taste
from models.simulator.traffic import Traffic
from models.simulator.traffic_mix import TrafficMix
from models.simulator.ubi import (
    DIALECTS,
    FAULTS,
    TEXT_FAULTS,
    Dialect,
    SearchTexts,
    broken_lines,
    browse_lines,
    event_lines,
    query_lines,
    stamps,
)
from models.simulator.unusual_queries import UnusualShares

SEARCHES_AT_ONCE = 4096


@dataclass(frozen=True)
class DaySettings:
    """The settings of a day; results: items shown per search at most. appeal: its spread, 0 for items that sell alike."""

    seed: int
    ds: str
    results: int
    model: ClickModel
    traffic_mix: TrafficMix
    faults: Faults
    unusual: UnusualShares
    taste: Taste = NO_TASTE
    appeal: float = 0.0


@dataclass(frozen=True)
class DayPart:
    """Part of a day. numbers, dialects, kinds, seconds, waits [S] and items [S, R] describe its searches: dialects
    index DIALECTS, kinds traffic.KINDS, waits are how many days later a search is delivered; `done` are its events as
    delivered; broken [E_broken]: (search, fault of FAULTS) of planted lines; browsed: events outside search, where
    shoppers have taste."""

    numbers: Ints
    dialects: Ints
    kinds: Ints
    seconds: Floats
    waits: Ints
    items: Ints
    done: Delivered
    broken: tuple[Ints, Ints]
    browsed: Browsed = NOTHING


@dataclass(frozen=True)
class AppDelivery:
    """The delivery of one application from a part on one day: rows of its searches, its events, its broken lines and of
    events outside search; and order: all of these, one after the other, as they are delivered, at moments `when` (seconds, ascending)."""

    searches: Ints
    events: Ints
    broken: Ints
    browsed: Ints
    order: Ints
    when: Floats


def day(
    settings: DaySettings,
    traffic: Traffic,
    dialects: Ints,
    skews: Floats,
    pool: Pool,
    rng: np.random.Generator,
    crowd: tuple[Shoppers, Companions] | None = None,
    appeal: Floats | None = None,
) -> Iterator[DayPart]:
    """Yield the day in order of time, SEARCHES_AT_ONCE searches at a time: memory is that of a chunk.

    crowd: shoppers with taste and what they put together; None: popularity alone. appeal [N]: of each item; None: all alike.
    """
    faults = settings.faults
    for start in range(0, len(traffic.queries), SEARCHES_AT_ONCE):
        rows = np.arange(start, min(start + SEARCHES_AT_ONCE, len(traffic.queries)))
        items, gains = result_lists(pool, traffic.queries[rows], settings.results, rng)
        clients = traffic.clients[rows]
        gains = crowd[0].gains(gains, items, clients, traffic.kinds[rows]) if crowd else gains
        who = Searchers(traffic.kinds[rows], traffic.rates[clients], traffic.targets[clients])
        made = events(traffic.seconds[rows], items >= 0, act(settings.model, gains, items, who, rng, appeal))
        waits = delayed_searches(len(rows), faults, rng)
        done = delivered(made, waits, skews[rows], faults, settings.traffic_mix.day_s, rng)
        lines = len(rows) + len(done.searches)
        searches = rng.integers(0, len(rows), rng.binomial(lines, faults.malformed_frac))
        yield DayPart(
            numbers=rows,
            dialects=dialects[rows],
            kinds=who.kinds,
            seconds=traffic.seconds[rows],
            waits=waits,
            items=items,
            done=done,
            broken=(searches, rng.integers(0, len(FAULTS), len(searches))),
            browsed=browse(made, items, who.kinds, skews[rows], crowd[1], settings.taste.amount, rng)
            if crowd
            else NOTHING,
        )


def as_records(part: DayPart) -> DayPart:
    """Return the part without faults that only a line of text can have."""
    searches, faults = part.broken
    can = faults >= TEXT_FAULTS
    return replace(part, broken=(searches[can], faults[can]))


def share(part: DayPart, number: int, days: int) -> AppDelivery:
    """Return what DIALECTS[number] delivers of this part `days` days later; broken lines come on the day itself."""
    mine, done = part.dialects == number, part.done
    searches = np.flatnonzero(mine & (part.waits == days))
    of_event = np.flatnonzero(mine[done.searches] & (done.days == days))
    broken = np.flatnonzero(mine[part.broken[0]]) if days == 0 else np.zeros(0, np.int64)
    beside = part.browsed
    browsed = np.flatnonzero(mine[beside.searches] & (part.waits[beside.searches] == days))
    moments = (part.seconds[searches], done.seconds[of_event], part.seconds[part.broken[0][broken]])
    when = np.concatenate([*moments, beside.seconds[browsed]])
    order = np.argsort(when, kind="stable")
    return AppDelivery(searches, of_event, broken, browsed, order, when[order])


def lines(
    part: DayPart, chosen: AppDelivery, number: int, words: SearchTexts, item_ids: Words, midnight_ms: int
) -> Words:
    """Return the records of a share as DIALECTS[number] writes them, in order of delivery.

    words: the words of the part's searches; item_ids: JSON-safe, by row; midnight_ms since 1970, UTC.
    """
    dialect, done, at = DIALECTS[number], part.done, chosen.searches
    search, place = done.searches[chosen.events], done.places[chosen.events]
    broken, fault = part.broken[0][chosen.broken], part.broken[1][chosen.broken]
    hits = np.where(part.items[at] < 0, "", item_ids[part.items[at]])
    asked = words.take(at)
    texts = [
        query_lines(dialect, asked, hits, _at(dialect, part.seconds[at], midnight_ms)),
        event_lines(
            dialect,
            words,
            search,
            done.actions[chosen.events],
            place,
            item_ids[part.items[search, place]],
            _at(dialect, done.stamps[chosen.events], midnight_ms),
        ),
        broken_lines(dialect, fault, words.ids[broken], _at(dialect, part.seconds[broken], midnight_ms)),
    ]
    if len(chosen.browsed):
        beside = part.browsed.take(chosen.browsed)
        stamped = _at(dialect, beside.stamps, midnight_ms)
        texts.append(browse_lines(dialect, words, beside, item_ids[beside.items], stamped))
    written: Words = np.concatenate(texts)[chosen.order]
    return written


def milliseconds(seconds: Floats, midnight_ms: int) -> Ints:
    """Return moments of the day as milliseconds since 1970."""
    return midnight_ms + np.floor(seconds * 1000).astype(np.int64)


def _at(dialect: Dialect, seconds: Floats, midnight_ms: int) -> Words:
    return stamps(dialect, milliseconds(seconds, midnight_ms))
