"""The queries of the shop: what people want, and the ways they type it.

An intent is a product that once stood in the shop and the traits of it that its buyer cares for. A query is
one wording of an intent: colloquial names, inflection, dropped diacritics, typing slips. Several wordings
share an intent, as in a real log, so a model can learn from one what the other means.
"""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Floats, Ints, Words
from models.simulator.marketplace.counter_rng import below, uniform
from models.simulator.marketplace.products import COLUMNS, latents, lives
from models.simulator.marketplace.spelling import plain, slipped
from models.simulator.marketplace.titles import in_order, model_names
from models.simulator.marketplace.vocabulary import CANONICAL, COLLOQUIAL, GENITIVE, OTHER_NUMBER, TRAITS, vocabulary

TYPE, MODEL, BRAND, THEME = (COLUMNS.index(name) for name in ("type", "model", "brand", "theme"))
_MINOR = ("colour", "material", "size", "audience", "feature")
_WISHES = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 3])  # how many minor traits a buyer cares for
_ORDERS = (
    ("type", "audience", "feature", "colour", "material", "brand", "theme", "model", "size"),
    ("type", "theme", "brand", "model", "size", "colour", "audience", "feature", "material"),
    ("brand", "model", "type", "theme", "colour", "size", "feature", "material", "audience"),
    ("colour", "feature", "type", "brand", "model", "theme", "audience", "material", "size"),
)


@dataclass(frozen=True)
class DrawnQueries:
    """n queries: keys [n] name the draws, wanted [n, COLUMNS] the traits asked for (-1: any will do)."""

    keys: Ints
    wanted: Ints


def asked(seed: int, numbers: Ints, items: int, day: int, pool: int) -> DrawnQueries:
    """Return what the queries of these numbers ask for on a day, among a shop of `items` slots.

    pool: intents to draw from; fewer than queries, the first ones asked more often. An intent lives for
    60 to 260 days and then makes way for another, so a few queries in a thousand are new every day.
    """
    intents = below(seed, "intent", numbers, pool, skew=1.4)
    span = 60 + below(seed, "intent span", intents, 200)
    began = day - (day + below(seed, "intent phase", intents, span)) % span
    intent = intents * 10**6 + began
    slots = below(seed, "intent slot", intent, items)
    target = latents(seed, lives(seed, slots, began))
    return DrawnQueries(numbers * 10**6 + began, _cared_for(seed, intent, target))


def _cared_for(seed: int, intent: Ints, target: Ints) -> Ints:
    wanted = np.full_like(target, -1)
    wanted[:, TYPE] = target[:, TYPE]
    by_model = (target[:, MODEL] >= 0) & (uniform(seed, "by model", intent) < 0.3)
    by_brand = by_model | (uniform(seed, "by brand", intent) < 0.4)
    by_theme = ~by_model & (uniform(seed, "by theme", intent) < 0.8)
    wanted[:, MODEL] = np.where(by_model, target[:, MODEL], -1)
    wanted[:, BRAND] = np.where(by_brand, target[:, BRAND], -1)
    wanted[:, THEME] = np.where(by_theme, target[:, THEME], -1)
    only = (wanted[:, THEME] >= 0) & (uniform(seed, "theme only", intent) < 0.08)
    wanted[only, TYPE], wanted[only, BRAND] = -1, -1
    wishes = _WISHES[below(seed, "wishes", intent, len(_WISHES))]
    wishes[by_model | only] = 0
    columns = [COLUMNS.index(name) for name in _MINOR]
    fancy = np.stack([uniform(seed, f"care {name}", intent) for name in _MINOR], axis=1)
    fancy[target[:, columns] < 0] = 2.0  # nobody asks for what the product has not
    rank = np.argsort(np.argsort(fancy, axis=1), axis=1)
    cared = (rank < wishes[:, None]) & (fancy < 2.0)
    wanted[:, columns] = np.where(cared, target[:, columns], -1)
    return wanted


def texts(seed: int, query: DrawnQueries) -> Words:
    """Return what is typed [n]: lower case save for 6 %, every third without diacritics, every eighth with a slip."""
    parts = _parts(seed, query)
    order = below(seed, "query order", query.keys, len(_ORDERS))
    text = np.strings.lower(np.strings.strip(in_order(parts, order, _ORDERS).astype(np.str_)))
    bare = uniform(seed, "bare", query.keys) < 0.33
    text[bare] = plain(text[bare])
    hasty = uniform(seed, "hasty", query.keys) < 0.13
    words = text.astype(object)
    words[hasty] = slipped(seed, query.keys[hasty], text[hasty]).astype(object)
    phone = uniform(seed, "phone", query.keys) < 0.06  # a telephone's keyboard starts with a capital
    words[phone] = np.strings.capitalize(words[phone].astype(np.str_)).astype(object)
    return words


def _parts(seed: int, query: DrawnQueries) -> dict[str, Words]:
    words = vocabulary()
    keys, wanted = query.keys, query.wanted
    form = _form(uniform(seed, "form", keys), COLLOQUIAL + below(seed, "query synonym", keys, 6))
    gender = np.where(wanted[:, TYPE] < 0, 0, words.types.genders[wanted[:, TYPE], form])
    silent = (wanted[:, TYPE] < 0) | ((wanted[:, MODEL] >= 0) & (uniform(seed, "bare model", keys) < 0.4))
    parts: dict[str, Words] = {"type": np.where(silent, "", " " + words.types.names[wanted[:, TYPE], form])}
    joiner = below(seed, "joiner", keys, 3)
    models = wanted[:, MODEL]
    printed = np.choose(joiner, [model_names(models, mark) for mark in ("-", " ", "")])
    parts["model"] = np.where(models < 0, "", " " + printed.astype(object))
    for name in TRAITS:
        typed = words.traits[name].typed
        own = uniform(seed, f"own word {name}", keys) < 0.5
        word = np.where(own, 0, below(seed, f"word {name}", keys, typed.shape[1]))
        parts[name] = typed[wanted[:, COLUMNS.index(name)], word, gender]
    return parts


def _form(coin: Floats, synonym: Ints) -> Ints:
    """Pick the type's name: 35 % the titles' own, 13 % the other number, 7 % the genitive, 45 % colloquial."""
    form = np.where(coin < 0.35, CANONICAL, synonym)
    form = np.where((coin >= 0.35) & (coin < 0.48), OTHER_NUMBER, form)
    return np.where((coin >= 0.48) & (coin < 0.55), GENITIVE, form)
