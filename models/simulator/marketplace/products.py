"""The product in each slot of the shop on each day, and its traits.

The shop has N slots, always filled. A slot's offer lives for a drawn number of days and is then followed
by the next one, so on any day about one item in a hundred is new and as many have ended. Slots come in
blocks of sixteen that split into products of one to six offers: near-duplicates by other sellers.
Every function takes slots and days of equal shape and depends on nothing else but the seed.
"""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Floats, Ints
from models.simulator.marketplace.counter_rng import below, bits, uniform, zipf_cdf
from models.simulator.marketplace.vocabulary import TRAITS, vocabulary

COLUMNS = ("type", "model", *TRAITS)  # columns of the latent attributes; -1 is "has none"
MAJOR = tuple(COLUMNS.index(name) for name in ("type", "model", "brand", "theme"))
MINOR = tuple(i for i in range(len(COLUMNS)) if i not in MAJOR)
MODELS = 676 * 9000 * 6  # two letters, four digits, an ending
_BLOCK = 16
_SPLITS = ((1,) * 16, (2,) * 8, (4, 3, 2, 2, 1, 1, 1, 1, 1), (6, 4, 3, 1, 1, 1), (3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1))
_PRODUCT_OF = np.array([np.repeat(np.arange(len(split)), split) for split in _SPLITS])
_TYPE_EXPONENT = 0.75  # the commonest of 233 types then holds 6 % of the shop, the rarest 0.1 %


@dataclass(frozen=True)
class Lives:
    """Per slot and day: numbers that stay the same for as long as the thing lives.

    product: equal for offers of one product; offer: unique to one item. Both hold the slot and the first
    day, slot * 10**6 + day, hence no two days' items share a number. title, price: revisions of the offer.
    """

    product: Ints
    offer: Ints
    title: Ints
    price: Ints


def lives(seed: int, slots: Ints, days: Ints) -> Lives:
    """Return what lives in each slot on its day (day: days since 0001-01-01, as `date.toordinal`)."""
    blocks, places = slots // _BLOCK, slots % _BLOCK
    split = below(seed, "split", blocks, len(_SPLITS))
    home = blocks * _BLOCK + _PRODUCT_OF[split, places]
    born = _began(seed, "product", home, days, shortest=200, longest=900)
    offered = np.maximum(born, _began(seed, "offer", slots, days, shortest=30, longest=230))
    offer = slots * 10**6 + offered
    return Lives(
        product=home * 10**6 + born,
        offer=offer,
        title=offer * 977 + np.maximum(offered, _began(seed, "title", slots, days, shortest=20, longest=120)),
        price=offer * 977 + np.maximum(offered, _began(seed, "price", slots, days, shortest=4, longest=34)),
    )


def _began(seed: int, stream: str, numbers: Ints, days: Ints, shortest: int, longest: int) -> Ints:
    """Return the first day of the life that each number is in: lives of one length, phase drawn."""
    span = shortest + below(seed, f"{stream} span", numbers, longest - shortest)
    phase = below(seed, f"{stream} phase", numbers, span)
    return days - (days + phase) % span


def latents(seed: int, alive: Lives) -> Ints:
    """Return the latent attributes [n, COLUMNS] that titles, attributes and relevance all come from.

    All of them belong to the product, save the size, which is the offer's own.
    """
    words = vocabulary()
    product = alive.product
    cdf = zipf_cdf(len(words.types.kinds), _TYPE_EXPONENT)
    # the ranking of types is the seed's own, or every shop would sell trainers most
    ranking = np.argsort(bits(seed, "type rank", np.arange(len(cdf))), kind="stable")
    types = ranking[np.searchsorted(cdf, uniform(seed, "type", product), side="right")]
    kinds = words.types.kinds[types]
    columns = [types, _models(seed, product, words.model_share[kinds])]
    for name in TRAITS:
        trait = words.traits[name]
        numbers = alive.offer if name == "size" else product
        skew = 1.8 if name in ("brand", "theme") else 1.2  # a long tail of brands and licences
        chosen = trait.choices[kinds, below(seed, name, numbers, trait.counts[kinds], skew)]
        has = uniform(seed, f"has {name}", product) < trait.share[kinds]
        columns.append(np.where(has, chosen, -1))
    return np.stack(columns, axis=1)


def _models(seed: int, product: Ints, share: Floats) -> Ints:
    has = uniform(seed, "has model", product) < share
    return np.where(has, below(seed, "model", product, MODELS), -1)


def shop(seed: int, slots: Ints, day: int) -> tuple[Lives, Ints]:
    """Return the lives and latent attributes of these slots on one day."""
    alive = lives(seed, slots, np.full(len(slots), day, dtype=np.int64))
    return alive, latents(seed, alive)
