"""The events that a day's searches leave behind, with the faults of real delivery planted among them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.click_model import Behaviour, ClickModel, behave
from models.traffic import CLICKS_ALL, PERSON

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

IMPRESSION, CLICK, CART, PURCHASE = range(4)
ACTIONS = ("impression", "click", "add_to_cart", "purchase")
_AFTER_S = (
    0.3,
    4.0,
    35.0,
    420.0,
)  # seconds from the search to each action, and for clicks more per place
_PER_PLACE_S = (0.0, 3.0, 3.0, 3.0)
LATE_S = (31 * 3600.0, 55 * 3600.0)  # a late event's stamp: from 7 in the morning of the day after


@dataclass(frozen=True)
class Events:
    """E events. searches [E] index the searches; places [E] from 0; actions [E] index ACTIONS; seconds since
    midnight of the searches' day; duplicates: a second copy of another event; late: stamped a day late, by LATE_S."""

    searches: Ints
    places: Ints
    actions: Ints
    seconds: Floats
    duplicates: Flags
    late: Flags


def act(
    model: ClickModel, gains: Floats, shown: Flags, kinds: Ints, rng: np.random.Generator
) -> Behaviour:
    """Draw what searchers of each kind [S] do with the places shown [S, R]; robots click all or nothing."""
    human = behave(model, gains, shown, rng)
    person, every = (kinds == PERSON)[:, None], (kinds == CLICKS_ALL)[:, None]
    clicks = (human.clicks & person) | (shown & every)
    return Behaviour(clicks, human.carts & person, human.purchases & person)


def events(seconds: Floats, shown: Flags, done: Behaviour) -> Events:
    """List the events of S searches at `seconds` [S], whose places shown and done are [S, R]."""
    parts: list[tuple[Ints, Ints, Ints]] = []
    for action, which in enumerate((shown, done.clicks, done.carts, done.purchases)):
        search, place = np.nonzero(which)
        parts.append((search, place, np.full(len(search), action)))
    searches, places, actions = (np.concatenate([part[i] for part in parts]) for i in range(3))
    after = np.array(_AFTER_S)[actions] + np.array(_PER_PLACE_S)[actions] * places
    none = np.zeros(len(searches), dtype=np.bool_)
    return Events(searches, places, actions, seconds[searches] + after, none, none)


def delivered(
    made: Events, duplicate_frac: float, late_frac: float, rng: np.random.Generator
) -> Events:
    """Return the events as they arrive: some twice, some stamped a day late, in order of their stamps."""
    coin = rng.random(len(made.searches))
    late = coin < late_frac
    twice = np.flatnonzero((coin >= late_frac) & (coin < late_frac + duplicate_frac))
    seconds = np.where(late, rng.uniform(*LATE_S, len(coin)), made.seconds)
    rows = np.concatenate([np.arange(len(coin)), twice])
    copy = np.arange(len(rows)) >= len(coin)
    order = np.lexsort((copy, seconds[rows]))
    rows, copy = rows[order], copy[order]
    return Events(
        made.searches[rows], made.places[rows], made.actions[rows], seconds[rows], copy, late[rows]
    )
