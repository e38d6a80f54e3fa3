"""Shoppers with taste: each has home categories, brands, a price band and a size, the same from day to day.

A trait is drawn as the next value on a ring of hashes (consistent hashing): a catalogue that gains or loses an item
changes the taste of hardly anybody. With drift, a client's homes are drawn anew after so many weeks, at a time of the
client's own. How much of a shopper's behaviour follows taste is one number, from 0 (popularity alone) to 1.
"""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Flags, Floats, Ints
from models.simulator.marketplace.counter_rng import bits, uniform
from models.simulator.shop_engine import Pool
from models.simulator.traffic import Traffic, is_bot

HOMES = 3
HOME_SHARES = (0.6, 0.3, 0.1)  # of a client's sessions
BANDS = 3  # of prices within a category, equal in items
_BRAND, _BAND, _SIZE = 0.5, 0.3, 0.2  # parts of an item's fit
_RING = 2**31
LIVELY = 0.7  # a taste at which recommenders have something to find


@dataclass(frozen=True)
class Taste:
    """amount: share of behaviour that follows taste; 0: none, and the bytes of a shop without. drift_weeks: weeks after
    which a client's homes change; 0: never."""

    amount: float = 0.0
    drift_weeks: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1 or self.drift_weeks < 0:
            raise ValueError(f"{self}: expected amount of 0 to 1, drift_weeks of 0 or more")


NO_TASTE = Taste()


@dataclass(frozen=True)
class ItemTraits:
    """Traits of N items as numbers that are the same on every day: hashes below 2 ** 31, -1 where unknown.

    categories: place in category_hashes, which is sorted; bands: of the price within the category.
    """

    categories: Ints
    brands: Ints
    bands: Ints
    sizes: Ints
    category_hashes: Ints


@dataclass(frozen=True)
class ClientTaste:
    """Tastes of C clients: homes [C, HOMES] index categories; bands [C]. Brands and sizes follow from the category."""

    homes: Ints
    bands: Ints


@dataclass(frozen=True)
class Shoppers:
    """Tastes of the clients of a day, by number, in a shop with these traits. day: of the calendar, as a number."""

    seed: int
    day: int
    taste: Taste
    traits: ItemTraits
    query_categories: Ints

    def of(self, clients: Ints) -> ClientTaste:
        """The tastes of these clients."""
        epochs = np.zeros(len(clients), np.int64)
        if self.taste.drift_weeks:
            phases = uniform(self.seed, "taste phase", clients)
            epochs = np.floor(self.day / (7 * self.taste.drift_weeks) + phases).astype(np.int64)
        # only a category that somebody can search for is a home
        known = np.unique(self.query_categories[self.query_categories >= 0])
        ring = self.traits.category_hashes[known]
        homes = [
            known[np.searchsorted(ring, self._drawn(f"home {home}", clients * 4_096 + epochs)) % len(known)]
            for home in range(HOMES)
        ]
        bands = np.floor(uniform(self.seed, "price band", clients) * BANDS).astype(np.int64)
        return ClientTaste(np.stack(homes, axis=1), bands)

    def favourites(self, clients: Ints, categories: Ints, values: Ints, stream: str) -> Ints:
        """The value, such as a brand, that each client prefers in a category [n]; -1 where it has none."""
        known = (values >= 0) & (self.traits.categories >= 0)
        ring = np.unique(self.traits.categories[known] * _RING + values[known])
        if not len(ring):
            return np.full(len(clients), -1)
        starts = np.searchsorted(ring, categories * _RING)
        ends = np.searchsorted(ring, (categories + 1) * _RING)
        place = np.searchsorted(ring, categories * _RING + self._drawn(stream, clients * 8_191 + categories))
        place = np.where(place >= ends, starts, place)
        return np.where(ends > starts, ring[np.minimum(place, len(ring) - 1)] % _RING, -1)

    def fit(self, clients: Ints, items: Ints) -> Floats:
        """Fit of items [S, R], -1 past the end, to their shopper [S]: from 0 to 1."""
        rows = np.maximum(items, 0)
        categories = self.traits.categories[rows]
        who = np.repeat(clients, items.shape[1])
        flat = categories.ravel()
        brands, sizes = (
            self.favourites(who, flat, values, stream).reshape(items.shape)
            for values, stream in ((self.traits.brands, "brand"), (self.traits.sizes, "size"))
        )
        bands = self.of(clients).bands[:, None]
        fits: Floats = (
            _BRAND * (self.traits.brands[rows] == brands)
            + _BAND * (self.traits.bands[rows] == bands)
            + _SIZE * ((self.traits.sizes[rows] < 0) | (self.traits.sizes[rows] == sizes))
        )
        return np.where(items >= 0, fits, 0.0)

    def gains(self, gains: Floats, items: Ints, clients: Ints, kinds: Ints) -> Floats:
        """Gains [S, R] as people feel them: an item that fits draws more than its relevance, another one less."""
        amount = self.taste.amount
        felt = np.minimum(gains * (1 - amount + amount * (0.1 + 1.4 * self.fit(clients, items))), 1.0)
        return np.where(is_bot(kinds)[:, None], gains, felt)

    def queries(self, drawn: Traffic, ranking: Ints) -> Ints:
        """The queries [S] of a day: a session of a person stays in one of the client's homes."""
        homes = self.of(drawn.clients).homes
        which = np.searchsorted(np.cumsum(HOME_SHARES), self._session("home", drawn.sessions), side="right")
        category = homes[np.arange(len(homes)), np.minimum(which, HOMES - 1)]
        moved = (self._session("follows", drawn.sessions) < self.taste.amount) & ~is_bot(drawn.kinds)
        # queries by category, the most popular first; within one the k-th has a share of 1 / k
        order = ranking[np.argsort(self.query_categories[ranking], kind="stable")]
        of_order = self.query_categories[order]
        starts = np.searchsorted(of_order, category)
        counts = np.searchsorted(of_order, category, side="right") - starts
        numbers = np.arange(len(drawn.queries))
        steps = (counts + 1.0) ** uniform(self.seed, f"taste query {self.day}", numbers)
        place = np.minimum(np.floor(steps).astype(np.int64) - 1, np.maximum(counts - 1, 0))
        return np.where(moved & (counts > 0), order[np.minimum(starts + place, len(order) - 1)], drawn.queries)

    def _drawn(self, stream: str, numbers: Ints) -> Ints:
        return (bits(self.seed, f"taste {stream}", numbers) % np.uint64(_RING)).astype(np.int64)

    def _session(self, stream: str, sessions: Ints) -> Floats:
        return uniform(self.seed, f"taste {stream} {self.day}", sessions)


def categories_of_queries(pool: Pool, traits: ItemTraits) -> Ints:
    """The category of each query [Q]: that of most gain among its judged items; -1 where nobody judged it."""
    size = max(1, len(traits.category_hashes))
    known = (pool.items >= 0) & (pool.gains > 0)
    known &= traits.categories[np.maximum(pool.items, 0)] >= 0
    query, place = np.nonzero(known)
    keys, inverse = np.unique(query * size + traits.categories[pool.items[query, place]], return_inverse=True)
    sums = np.bincount(inverse, pool.gains[query, place], len(keys))
    order = np.lexsort((keys, -sums, keys // size))
    first = np.flatnonzero(np.diff(keys[order] // size, prepend=-1))
    best = keys[order][first]
    found = np.full(len(pool.items), -1)
    found[best // size] = best % size
    return found


def price_bands(categories: Ints, prices: Floats) -> Ints:
    """Bands [N] of prices within each category, equal in items; -1 without a price."""
    known: Flags = np.isfinite(prices) & (categories >= 0)
    rows = np.flatnonzero(known)
    order = rows[np.lexsort((prices[rows], categories[rows]))]
    counts = np.bincount(categories[order], minlength=int(categories.max(initial=0)) + 1)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    bands = np.full(len(categories), -1)
    bands[order] = place * BANDS // np.maximum(np.repeat(counts, counts), 1)
    return bands
