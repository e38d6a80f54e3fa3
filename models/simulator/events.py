"""The events that a day's searches leave behind, as they happen; models.simulator.delivery says how they arrive."""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Columns, Flags, Floats, Ints
from models.simulator.click_model import Behaviour, ClickModel, behave
from models.simulator.traffic import QUIET, is_bot

IMPRESSION, CLICK, CART, PURCHASE = range(4)
ACTIONS = ("impression", "click", "add_to_cart", "purchase")
# seconds from the search to each action, and for clicks more per place
_AFTER_S = (0.3, 4.0, 35.0, 420.0)
_PER_PLACE_S = (0.0, 3.0, 3.0, 3.0)
_FARM_CART = 0.1  # how often a click farm puts what it clicks into the cart


@dataclass(frozen=True)
class Searchers:
    """The visitors of S searches: kinds [S] index KINDS; rates [S] and targets [S] as in Traffic, of bots."""

    kinds: Ints
    rates: Floats
    targets: Ints


@dataclass(frozen=True)
class Events(Columns):
    """E events. searches [E] index the searches; places [E] from 0; actions [E] index ACTIONS; seconds [E] since
    midnight."""

    searches: Ints
    places: Ints
    actions: Ints
    seconds: Floats


def act(
    model: ClickModel,
    gains: Floats,
    items: Ints,
    who: Searchers,
    rng: np.random.Generator,
    appeal: Floats | None = None,
) -> Behaviour:
    """Draw what searchers do with the items [S, R] shown to them, -1 past the end.

    People go by the click model, of gains [S, R]; quiet ones click nothing; bots click what they aim at, and of the
    rest their share. appeal [N]: of each item.
    """
    shown = items >= 0
    bots = np.flatnonzero(is_bot(who.kinds))
    done = behave(model, gains, shown, rng, 1.0 if appeal is None else appeal[items])
    done.clicks[bots] = done.carts[bots] = done.purchases[bots] = False
    silent = np.flatnonzero(who.kinds == QUIET)
    done.clicks[silent] = done.carts[silent] = done.purchases[silent] = False
    chance = rng.random((len(bots), items.shape[1]))
    aimed = shown[bots] & (items[bots] == who.targets[bots, None])
    done.clicks[bots] = aimed | shown[bots] & (chance < who.rates[bots, None])
    done.carts[bots] = aimed & (chance < _FARM_CART)
    return done


def events(seconds: Floats, shown: Flags, done: Behaviour) -> Events:
    """List the events of S searches at `seconds` [S], whose places shown and done are [S, R]."""
    parts: list[tuple[Ints, Ints, Ints]] = []
    for action, which in enumerate((shown, done.clicks, done.carts, done.purchases)):
        search, place = np.nonzero(which)
        parts.append((search, place, np.full(len(search), action)))
    searches, places, actions = (np.concatenate([part[i] for part in parts]) for i in range(3))
    after = np.array(_AFTER_S)[actions] + np.array(_PER_PLACE_S)[actions] * places
    return Events(searches, places, actions, seconds[searches] + after)
