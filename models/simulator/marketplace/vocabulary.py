"""The shop's words as look-up arrays: types with their names, and the traits that an item can carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.simulator.arrays import Floats, Ints, Words
from models.simulator.marketplace import traits
from models.simulator.marketplace.item_types import ITEM_TYPES
from models.simulator.marketplace.polish import GENDERS, agree, masculine

TRAITS = ("brand", "theme", "colour", "material", "size", "audience", "feature")
CANONICAL, OTHER_NUMBER, GENITIVE, COLLOQUIAL = 0, 1, 2, 3  # columns of ItemTypes.names
_AGREEING = ("colour", "material", "audience", "feature")  # a brand keeps its ending
_NAMES = 3 + 6  # six places divide evenly among 1, 2 or 3 colloquial names
_SHARES = {"brand": 0.92, "colour": 1.0, "material": 0.85, "size": 0.9, "feature": 0.7}


@dataclass(frozen=True)
class Trait:
    """The values of one trait, and the kinds of items that have them.

    titles [V+1, 5]: the word in titles by gender, a space before it; the last row, index -1, is "no such trait".
    typed [V+1, W, 5]: the words that people type for it; column 0 is the title's own in lower case.
    choices [kinds, L], counts [kinds]: the values a kind can have, the commonest first. share [kinds].
    """

    titles: Words
    typed: Words
    choices: Ints
    counts: Ints
    share: Floats


@dataclass(frozen=True)
class ItemTypes:
    """The T item types. names, capitals [T, 9]: canonical, other number, genitive, six colloquial.

    genders [T, 9] index GENDERS; categories [T]: "Obuwie > Sportowe > Trampki"; kinds [T] index the trait tables.
    """

    names: Words
    capitals: Words
    genders: Ints
    categories: Words
    kinds: Ints


@dataclass(frozen=True)
class Vocabulary:
    """Everything that the shop can say. prices [kinds, 2]: zloty from and to; model_share [kinds]."""

    types: ItemTypes
    traits: Mapping[str, Trait]
    prices: Floats
    model_share: Floats


@cache
def vocabulary() -> Vocabulary:
    """Return the parsed vocabulary; parsed once."""
    kinds = {row[0]: row[1:] for row in _rows(traits.KINDS)}
    shares = {name: np.full(len(kinds), share) for name, share in _SHARES.items()}
    shares["audience"] = np.array([float(kind[5]) for kind in kinds.values()])
    shares["theme"] = np.array([float(kind[6]) for kind in kinds.values()])
    prices = np.array([kind[1].split("-") for kind in kinds.values()], dtype=np.float64)
    values, groups = _values(), _groups(list(kinds.values()))
    return Vocabulary(
        types=_types(list(kinds)),
        traits={name: _trait(values[name], groups[name], shares[name], name in _AGREEING) for name in TRAITS},
        prices=prices,
        model_share=np.array([float(kind[7]) for kind in kinds.values()]),
    )


def _rows(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", "").strip().splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def _keyed(text: str) -> dict[str, dict[str, list[str]]]:
    """Read lines "key | title=typed, title": {key: {title: [typed, ...]}}."""
    parsed: dict[str, dict[str, list[str]]] = {}
    for key, cells in _rows(text):
        pairs = [cell.strip().split("=") for cell in cells.split(", ")]
        parsed[key] = {pair[0]: pair[1:] for pair in pairs}
    return parsed


def _values() -> dict[str, dict[str, list[str]]]:
    """Return for each trait its values: {word in titles: [words typed instead]}."""

    def merged(text: str) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for group in _keyed(text).values():
            for title, typed in group.items():
                values[title] = values.get(title, []) + [w for w in typed if w not in values.get(title, [])]
        return values

    def listed(text: str) -> dict[str, list[str]]:
        return {row[0]: row[1].split(", ") for row in _rows(text)}

    materials = merged(traits.MATERIALS)
    return {
        "brand": merged(traits.BRANDS),
        "theme": listed(traits.THEMES),
        "colour": listed(traits.COLOURS),
        "material": {title: [masculine(word) for word in typed] for title, typed in materials.items()},
        "size": merged(traits.SIZES),
        "audience": listed(traits.AUDIENCES),
        "feature": merged(traits.FEATURES),
    }


def _groups(kinds: Sequence[Sequence[str]]) -> dict[str, list[list[str]]]:
    """Return for each trait, per kind, the values it can have; an empty list where it has none."""
    colours = [row[0] for row in _rows(traits.COLOURS)]
    palettes = {row[0]: row[1].split(", ") for row in _rows(traits.PALETTES)} | {"all": colours, "": []}
    brands, materials = _keyed(traits.BRANDS), _keyed(traits.MATERIALS)
    sizes, features = _keyed(traits.SIZES), _keyed(traits.FEATURES)
    return {
        "brand": [list(brands[kind[0]]) for kind in kinds],
        "theme": [[row[0] for row in _rows(traits.THEMES)] for _ in kinds],
        "colour": [palettes[kind[2]] for kind in kinds],
        "material": [list(materials.get(kind[3], {})) for kind in kinds],
        "size": [list(sizes.get(kind[4], {})) for kind in kinds],
        "audience": [[row[0] for row in _rows(traits.AUDIENCES)] for _ in kinds],
        "feature": [list(features[kind[8]]) for kind in kinds],
    }


def _trait(values: Mapping[str, list[str]], groups: list[list[str]], share: Floats, agrees: bool) -> Trait:
    names = list(values)
    width = int(np.lcm.reduce([len(values[name]) + 1 for name in names]))
    titles = np.full((len(names) + 1, len(GENDERS)), "", dtype=object)
    typed = np.full((len(names) + 1, width, len(GENDERS)), "", dtype=object)
    for row, name in enumerate(names):
        words = [name.lower(), *values[name]]
        for column, gender in enumerate(GENDERS if agrees else "m" * len(GENDERS)):
            titles[row, column] = " " + agree(name, gender)
            typed[row, :, column] = [" " + agree(words[i % len(words)], gender) for i in range(width)]
    longest = max(len(group) for group in groups)
    choices = np.full((len(groups), longest), -1, dtype=np.int64)
    for kind, group in enumerate(groups):
        choices[kind, : len(group)] = [names.index(name) for name in group]
    counts = np.array([len(group) for group in groups])
    return Trait(titles, typed, choices, counts, np.where(counts > 0, share, 0.0))


def _types(kinds: list[str]) -> ItemTypes:
    names: list[list[str]] = []
    genders: list[list[int]] = []
    categories: list[str] = []
    kind_of: list[int] = []
    path, kind = "", 0
    for row in _rows(ITEM_TYPES):
        if row[0].startswith("["):
            path, kind = row[0][1:], kinds.index(row[1][:-1])
        elif row[0]:
            forms = [row[0], row[1], row[2] + ":g", *row[3].split(", ")]
            forms += [forms[3 + i % (len(forms) - 3)] for i in range(_NAMES - len(forms))]
            names.append([word.split(":")[0] for word in forms])
            genders.append([GENDERS.index(word.split(":")[1]) for word in forms])
            plural = names[-1][0] if row[0].endswith(":p") else names[-1][1]
            categories.append(f"{path} > {_capital(plural)}")
            kind_of.append(kind)
    words = np.array(names, dtype=object)
    capitals = np.array([[_capital(word) for word in row] for row in names], dtype=object)
    return ItemTypes(words, capitals, np.array(genders), np.array(categories, dtype=object), np.array(kind_of))


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
