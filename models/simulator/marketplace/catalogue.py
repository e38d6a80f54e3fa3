"""The catalogue as a shop would deliver it: columns of one chunk of slots on one day."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Floats, Ints, Words, as_words
from models.simulator.marketplace.counter_rng import uniform
from models.simulator.marketplace.products import COLUMNS, Lives, shop
from models.simulator.marketplace.titles import model_names, titles
from models.simulator.marketplace.vocabulary import TRAITS, vocabulary

CHUNK = 65_536  # slots at a time: about 150 MB in flight, whatever the size of the shop
_LABELS = {"theme": "Motyw", "colour": "Kolor", "material": "Materiał", "size": "Rozmiar", "audience": "Dla kogo"}


@dataclass(frozen=True)
class Offers:
    """n items. Attributes are flat: item i has keys[offsets[i]:offsets[i+1]] and the values beside them."""

    item_ids: Words
    titles: Words
    categories: Words
    brands: Words  # None where the item has none
    prices: Floats
    group_ids: Words
    offsets: Ints
    keys: Words
    values: Words
    latents: Ints


def chunks(items: int) -> Iterator[Ints]:
    """Yield the slots 0..items-1 in order, CHUNK at a time."""
    for start in range(0, items, CHUNK):
        yield np.arange(start, min(start + CHUNK, items), dtype=np.int64)


def offers(seed: int, slots: Ints, day: int) -> Offers:
    """Return the items in these slots on this day: a pure function of its arguments.

    day counts as `date.toordinal` does. The same slot on another day holds the same item, the same one
    with a new price or title, or the item that followed it.
    """
    alive, latent = shop(seed, slots, day)
    words = vocabulary()
    brand = latent[:, COLUMNS.index("brand")]
    brands = np.strings.strip(words.traits["brand"].titles[brand, 0].astype(np.str_)).astype(object)
    brands[brand < 0] = None
    offsets, keys, values = _attributes(latent)
    return Offers(
        item_ids=item_ids(alive),
        titles=titles(seed, alive, latent),
        categories=words.types.categories[latent[:, 0]],
        brands=brands,
        prices=_prices(seed, alive, latent),
        group_ids=as_words(alive.product),
        offsets=offsets,
        keys=keys,
        values=values,
        latents=latent,
    )


def item_ids(alive: Lives) -> Words:
    """Return the items' ids [n]: the slot and the day it was first offered, in digits."""
    return as_words(alive.offer)


def _prices(seed: int, alive: Lives, latent: Ints) -> Floats:
    low, high = vocabulary().prices[vocabulary().types.kinds[latent[:, 0]]].T
    base = low * (high / low) ** (uniform(seed, "price", alive.product) ** 1.5)
    seller = 0.9 + 0.2 * uniform(seed, "seller", alive.offer) + 0.06 * uniform(seed, "sale", alive.price)
    prices: Floats = np.maximum(1.0, np.floor(base * seller)) - 0.01
    return prices


def _attributes(latent: Ints) -> tuple[Ints, Words, Words]:
    """Return offsets [n+1], keys and values of the attributes that each item's form has filled in."""
    columns: list[tuple[str, Words]] = []
    for trait in TRAITS:
        if trait in _LABELS:
            words = vocabulary().traits[trait].titles[latent[:, COLUMNS.index(trait)], 0]
            columns.append((_LABELS[trait], np.strings.strip(words.astype(np.str_)).astype(object)))
    columns.append(("Model", model_names(latent[:, COLUMNS.index("model")])))
    table = np.stack([values for _, values in columns], axis=1)
    filled = table != ""
    labels = np.broadcast_to(np.array([label for label, _ in columns], object), table.shape)
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    return offsets, labels[filled], table[filled]
