"""Events of shoppers with taste outside searches: they look at the offer they clicked, follow its carousel, fill the basket.

Each item has a few companions, the same for everybody and from day to day: complements, from a category that goes with
its own, and alike items beside it. So what one shopper puts together others put together too.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.simulator.arrays import Columns, Floats, Ints
from models.simulator.events import CART, CLICK, PURCHASE, Events
from models.simulator.marketplace.counter_rng import bits
from models.simulator.taste import ItemTraits
from models.simulator.traffic import is_bot

VIEW, CAROUSEL_CLICK, BASKET_CART, BASKET_PURCHASE = range(4)
NAMES = ("view", "click", "add_to_cart", "purchase")
PLACEMENTS = ("offer_page", "recommendation", "basket", "basket")
_FOLLOWS = 0.6  # chance, at full taste, that a click leads to one in the carousel
_ADDS = 0.6  # and that a cart gets a complement
_AFTER_S = (2.0, 25.0, 45.0, 430.0)
_RING = 2**31


@dataclass(frozen=True)
class Browsed(Columns):
    """B events outside search. searches [B]: whose they are, rows of the part; items [B] of the shop; actions [B] index
    NAMES; led [B]: 1 where the search led to it; seconds [B] since midnight; stamps [B]: as the client's clock says."""

    searches: Ints
    items: Ints
    actions: Ints
    led: Ints
    seconds: Floats
    stamps: Floats


_NO_INTS, _NO_FLOATS = np.zeros(0, np.int64), np.zeros(0)
NOTHING = Browsed(_NO_INTS, _NO_INTS, _NO_INTS, _NO_INTS, _NO_FLOATS, _NO_FLOATS)


@dataclass(frozen=True)
class Companions:
    """complements, alike [N, 2]: rows of the items that go with each item; its own row where there is none."""

    complements: Ints
    alike: Ints


def companions(seed: int, traits: ItemTraits, item_hashes: Ints, top_levels: Ints) -> Companions:
    """Companions of every item. item_hashes [N] below 2 ** 31; top_levels: of each category, the department."""
    count = len(traits.category_hashes)
    rows = np.arange(len(item_hashes))
    # the category that goes with each one: of its own department if there is another, drawn
    marks = bits(seed, "goes with", traits.category_hashes).astype(np.int64) & (_RING - 1)
    beside = np.arange(count)
    for category in range(count):
        others = np.flatnonzero((top_levels == top_levels[category]) & (np.arange(count) != category))
        others = others if len(others) else np.setdiff1d(np.arange(count), [category])
        if len(others):
            beside[category] = others[marks[category] % len(others)]
    # items of a category on a ring of hashes, so that one more item moves hardly any companion
    ring_keys = traits.categories * _RING + item_hashes
    order = np.argsort(ring_keys, kind="stable")
    ring = ring_keys[order]
    wanted = np.where(traits.categories >= 0, beside[np.maximum(traits.categories, 0)], -1)
    starts, ends = np.searchsorted(ring, wanted * _RING), np.searchsorted(ring, (wanted + 1) * _RING)
    size = np.maximum(ends - starts, 1)
    at = np.searchsorted(ring, wanted * _RING + (bits(seed, "complement", item_hashes).astype(np.int64) & (_RING - 1)))
    known = (wanted >= 0) & (ends > starts)
    picked = [order[np.minimum(starts + (at - starts + step) % size, len(order) - 1)] for step in range(2)]
    complements = np.stack([np.where(known, each, rows) for each in picked], axis=1)
    # alike: neighbours by category, brand, price band and hash
    line = np.lexsort((item_hashes, traits.bands, traits.brands, traits.categories))
    same = np.empty((len(rows), 2), np.int64)
    for side, step in enumerate((1, 2)):
        neighbour = np.roll(line, -step)
        fits = traits.categories[neighbour] == traits.categories[line]
        same[line, side] = np.where(fits, neighbour, line)
    return Companions(complements, same)


def browse(
    made: Events, items: Ints, kinds: Ints, skews: Floats, near: Companions, amount: float, rng: np.random.Generator
) -> Browsed:
    """List what follows the clicks and carts of people among `made`; items [S, R] are those shown, kinds [S], skews [S]:
    seconds by which the searcher's clock is ahead."""
    people = ~is_bot(kinds[made.searches])
    clicked, carted, bought = (
        made.take(np.flatnonzero(people & (made.actions == action))) for action in (CLICK, CART, PURCHASE)
    )
    seen = items[clicked.searches, clicked.places]
    parts = [_of(clicked, seen, VIEW, 1)]
    follows = np.flatnonzero(rng.random(len(seen)) < _FOLLOWS * amount)
    side = rng.integers(0, 4, len(follows))
    both = np.concatenate([near.complements, near.alike], axis=1)
    next_items = both[seen[follows], side]
    parts.append(_of(clicked.take(follows), next_items, CAROUSEL_CLICK, 0))
    parts.append(_of(clicked.take(follows), next_items, VIEW, 0, _AFTER_S[CAROUSEL_CLICK]))
    in_cart = items[carted.searches, carted.places]
    adds = np.flatnonzero(rng.random(len(in_cart)) < _ADDS * amount)
    extra = near.complements[in_cart[adds], rng.integers(0, 2, len(adds))]
    parts.append(_of(carted.take(adds), extra, BASKET_CART, 0))
    # who buys buys the whole basket
    width = items.shape[1]
    pays = np.flatnonzero(
        np.isin(carted.searches[adds] * width + carted.places[adds], bought.searches * width + bought.places)
    )
    parts.append(_of(carted.take(adds[pays]), extra[pays], BASKET_PURCHASE, 0))
    whole = Browsed.joined(parts)
    return replace(whole, stamps=whole.seconds + skews[whole.searches])


def _of(cause: Events, items: Ints, action: int, led: int, more_s: float = 0.0) -> Browsed:
    count, seconds = len(items), cause.seconds + _AFTER_S[action] + more_s
    return Browsed(cause.searches, items, np.full(count, action), np.full(count, led), seconds, seconds)
