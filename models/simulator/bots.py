"""The bots of a simulated day: what scrapers, price bots and click farms leave in a shop's log.

burst_clicks, burst_silent   searches a second apart, and a click on everything, or on nothing
metronome    a search every 20 to 90 s, always the same pause within 2%, for hours; no clicks
crawler      hundreds of searches, each for another query, 4 to 40 s apart; clicks 1 to 2% at random
clicker      a price bot that searches as people do, and clicks 60 to 100% of what it is shown
farm         2 to 4 clients with one item to push: few searches a session, several sessions a day, only for queries
             that show the item; they click it at every position, nothing else, and now and then put it into the cart
storm        3 clients that ask for the head query within one hour; no clicks
"""

import numpy as np

from models.simulator.arrays import Ints
from models.simulator.shop_engine import Aims
from models.simulator.traffic import (
    BURST_CLICKS,
    BURST_SILENT,
    CLICKER,
    CRAWLER,
    FARM,
    METRONOME,
    STORM,
    Traffic,
    Visits,
    dealt,
    of_kind,
    visits,
    within,
)

Rng = np.random.Generator

# shares of the bots' searches, without the storm's
SHARES = {BURST_CLICKS: 0.15, BURST_SILENT: 0.15, METRONOME: 0.25, CRAWLER: 0.25, CLICKER: 0.1, FARM: 0.1}
_BURST, _TICKS, _CRAWL, _PRICES, _PUSH = 200, 240, 400, 40, 12  # searches of one bot
_BURST_GAP_S = 1.0
_TICK_S = (20.0, 90.0)
_TICK_WAVER = 0.009  # of the pause, to either side
_TICKING_S = 7_200.0  # how long at least, where the day has searches enough for it
_CRAWL_GAP_S = (4.0, 40.0)
# a little inside the bounds above: the shares that come out waver around them
_CRAWL_CLICKS, _PRICE_CLICKS = (0.012, 0.018), (0.65, 1.0)
_PRICES_SESSION, _PUSH_SESSION = 5.0, 3.0  # searches, mean
_STORM_CLIENTS, _STORM_S = 3, 3_600.0


def bots(searches: int, queries: int, aims: Aims, last: float, rng: Rng) -> list[Traffic]:
    """Divide the searches among the kinds by SHARES; queries: how many there are to crawl."""
    ends = np.rint(np.cumsum(list(SHARES.values())) * searches).astype(int)
    counts = dict(zip(SHARES, np.diff(ends, prepend=0).tolist(), strict=True))
    made = [
        _bursts(BURST_CLICKS, 1.0, counts[BURST_CLICKS], last, rng),
        _bursts(BURST_SILENT, 0.0, counts[BURST_SILENT], last, rng),
        _metronomes(counts[METRONOME], last, rng),
        _crawlers(counts[CRAWLER], queries, last, rng),
        _clickers(counts[CLICKER], last, rng),
        _farms(counts[FARM], aims, last, rng),
    ]
    return [part for part in made if len(part.clients)]


def storm(searches: int, query: int, last: float, rng: Rng) -> Traffic:
    """Draw a bot storm: that many searches for one query within an hour."""
    client = dealt(searches, max(1, -(-searches // _STORM_CLIENTS)))
    start = rng.random() * (last - _STORM_S)
    return of_kind(STORM, Visits(client, client, start + _STORM_S * rng.random(searches)), queries=query)


def _bursts(kind: int, rate: float, searches: int, last: float, rng: Rng) -> Traffic:
    bot = dealt(searches, _BURST)
    start = rng.random(int(bot.max(initial=-1)) + 1) * (last - 2 * _BURST * _BURST_GAP_S)
    seconds = start[bot] + within(bot, rng.uniform(0.6, 1.4, searches) * _BURST_GAP_S)
    return of_kind(kind, Visits(bot, bot, seconds), rates=rate)


def _metronomes(searches: int, last: float, rng: Rng) -> Traffic:
    bot = dealt(searches, _TICKS)
    length = np.bincount(bot)
    shortest = np.clip(_TICKING_S / np.maximum(length, 1), *_TICK_S)
    pause = rng.uniform(shortest, _TICK_S[1])
    start = rng.random(len(length)) * (last - pause * (1 + _TICK_WAVER) * length)
    steps = pause[bot] * rng.uniform(1 - _TICK_WAVER, 1 + _TICK_WAVER, searches)
    return of_kind(METRONOME, Visits(bot, bot, start[bot] + within(bot, steps)))


def _crawlers(searches: int, queries: int, last: float, rng: Rng) -> Traffic:
    bot = dealt(searches, min(_CRAWL, queries))
    count = int(bot.max(initial=-1)) + 1
    # a stride that shares no divisor with the number of queries meets each of them once
    strides = np.arange(1, queries + 1)
    stride = rng.choice(strides[np.gcd(strides, queries) == 1], count)
    nth = within(bot, np.ones(searches)).astype(np.int64)
    query = (rng.integers(0, queries, count)[bot] + nth * stride[bot]) % queries
    steps = within(bot, rng.uniform(*_CRAWL_GAP_S, searches))
    start = rng.random(count) * (last - _CRAWL * _CRAWL_GAP_S[1])
    made = Visits(bot, bot, start[bot] + steps)
    return of_kind(CRAWLER, made, queries=query, rates=rng.uniform(*_CRAWL_CLICKS, count))


def _clickers(searches: int, last: float, rng: Rng) -> Traffic:
    made = visits(dealt(searches, _PRICES), _PRICES_SESSION, last, rng)
    count = int(made.clients.max(initial=-1)) + 1
    return of_kind(CLICKER, made, rates=rng.uniform(*_PRICE_CLICKS, count))


def _farms(searches: int, aims: Aims, last: float, rng: Rng) -> Traffic:
    made = visits(dealt(searches, min(_PUSH, max(1, searches // 2))), _PUSH_SESSION, last, rng)
    farm = _grouped(int(made.clients.max(initial=-1)) + 1, rng)
    wanted = rng.permutation(np.unique(aims.items))
    target = wanted[farm % len(wanted)]
    aimed = target[made.clients]
    low, high = (np.searchsorted(aims.items, aimed, side) for side in ("left", "right"))
    return of_kind(FARM, made, queries=aims.queries[rng.integers(low, high)], targets=target)


def _grouped(clients: int, rng: Rng) -> Ints:
    """Return a farm for each client: 2 to 4 clients a farm, where there are two clients at all."""
    ends = np.cumsum(rng.integers(2, 5, clients))
    ends = ends[ends <= clients - 2]  # who is left makes the last farm, of 2 to 5
    farm = np.searchsorted(ends, np.arange(clients), side="right")
    last = np.flatnonzero(farm == len(ends))
    if len(last) > 4:
        farm[last[2:]] += 1
    return farm
