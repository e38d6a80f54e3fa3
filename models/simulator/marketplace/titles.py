"""Titles as sellers write them: the type's name, the traits in some order, and noise around it."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.simulator.arrays import Floats, Ints, Words
from models.simulator.marketplace.counter_rng import below, uniform
from models.simulator.marketplace.products import COLUMNS, Lives
from models.simulator.marketplace.spelling import plain
from models.simulator.marketplace.traits import SHOUTS, TAILS
from models.simulator.marketplace.vocabulary import CANONICAL, COLLOQUIAL, TRAITS, vocabulary

_ORDERS = (
    ("type", "audience", "brand", "theme", "model", "feature", "colour", "material", "size"),
    ("type", "brand", "model", "theme", "audience", "colour", "feature", "size", "material"),
    ("type", "theme", "audience", "material", "colour", "brand", "model", "size", "feature"),
    ("brand", "model", "type", "feature", "audience", "colour", "theme", "size", "material"),
)
_SAID = {"brand": 0.93, "theme": 1.0, "colour": 0.75, "material": 0.5, "size": 0.65, "audience": 0.85, "feature": 0.8}
_SYNONYM_INSTEAD, _SYNONYM_TOO = (0.08, 0.15)  # below the first: instead of the name; below the second: after it
_LETTERS = np.array([f"{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"], object)
_DIGITS = np.array([str(number) for number in range(1000, 10000)], object)
_ENDINGS = np.array(["", "", "A", "X", " Pro", "E"], object)
_SHOUTS = np.array([""] * 60 + [f"{shout} " for shout in SHOUTS], object)
_TAILS = np.array([""] * 30 + [" " + tail.strip() for tail in TAILS.replace("\\\n", "").split("|")], object)


def model_names(models: Ints, joiner: str = "-") -> Words:
    """Return model numbers as printed, "GX-4821 Pro"; an empty string for -1."""
    letters, digits = _LETTERS[models // 54000], _DIGITS[models // 6 % 9000]
    names = letters + joiner + digits + _ENDINGS[models % 6]
    return np.where(models < 0, "", names).astype(object)


def in_order(parts: Mapping[str, Words], order: Ints, orders: Sequence[Sequence[str]]) -> Words:
    """Join the parts [n] of each text in the order that `order` [n] picks among `orders`."""
    joined = np.empty(len(order), dtype=object)
    for number, names in enumerate(orders):
        rows = np.flatnonzero(order == number)
        joined[rows] = np.sum([parts[name][rows] for name in names], axis=0) if len(rows) else ""
    return joined


def titles(seed: int, alive: Lives, latent: Ints) -> Words:
    """Return one title [n] per offer; sellers of one product word it differently, and reword it at times."""
    revision = alive.title
    spoken = _parts(seed, revision, latent)
    order = below(seed, "order", revision, len(_ORDERS))
    order[(order == len(_ORDERS) - 1) & (spoken["brand"] == "")] = 0  # nothing to begin with
    made = in_order(spoken, order, _ORDERS)
    shout = _SHOUTS[below(seed, "shout", revision, len(_SHOUTS))]
    tails = [_TAILS[below(seed, f"tail {i}", revision, len(_TAILS))] for i in range(2)]
    made = shout + made + tails[0] + tails[1]
    return _style(uniform(seed, "style", revision), made)


def _parts(seed: int, revision: Ints, latent: Ints) -> dict[str, Words]:
    """Return each part's words with a space before them, the empty string where the title leaves it out."""
    words = vocabulary()
    types = latent[:, 0]
    synonym = COLLOQUIAL + below(seed, "synonym", revision, 6)
    coin = uniform(seed, "naming", revision)
    form = np.where(coin < _SYNONYM_INSTEAD, synonym, CANONICAL)
    gender = words.types.genders[types, form]
    also = np.where(coin < _SYNONYM_TOO, " " + words.types.names[types, synonym], "")
    name = " " + words.types.capitals[types, form] + np.where(form == CANONICAL, also, "")
    models = latent[:, COLUMNS.index("model")]
    parts: dict[str, Words] = {"type": name, "model": np.where(models < 0, "", " " + model_names(models))}
    for trait in TRAITS:
        texts = words.traits[trait].titles[latent[:, COLUMNS.index(trait)], gender]
        quiet = uniform(seed, f"say {trait}", revision) >= _SAID[trait]
        texts[quiet] = ""
        parts[trait] = texts
    return parts


def _style(coin: Floats, made: Words) -> Words:
    """Shout 4 % of the titles in capitals, drop the diacritics of 3 %, and trim them all."""
    text = np.strings.strip(made.astype(np.str_))
    capitals, bare = coin < 0.04, coin > 0.97
    text[capitals] = np.strings.upper(text[capitals])
    text[bare] = plain(text[bare])
    text = np.strings.replace(text, "  ", " ")
    return text.astype(object)
