"""Polish endings, as far as a shop's titles need them: adjectives that agree with their noun."""

import re

GENDERS = "mfnpg"  # masculine, feminine, neuter, plural, genitive plural
# one word with a masculine adjective's ending ("czarny", "wysoki")
_ADJECTIVE = re.compile(r"[^\s]+(?:[^aeiouyąęó\s]y|[kg]i)")
_SOFT = re.compile(r"[kg]i$")


def agree(word: str, gender: str) -> str:
    """Return the adjective `word` (masculine) in the gender, any other phrase as it is.

    >>> agree("czarny", "f"), agree("niebieski", "p"), agree("na zimę", "f")
    ('czarna', 'niebieskie', 'na zimę')
    """
    if not _ADJECTIVE.fullmatch(word) or gender == "m":
        return word
    stem, soft = word[:-1], bool(_SOFT.search(word))
    if gender == "f":
        return stem + "a"
    if gender == "g":
        return stem + ("ich" if soft else "ych")
    return stem + ("ie" if soft else "e")


def masculine(word: str) -> str:
    """Return "skórzane" as "skórzany"; phrases and words without that ending stay as they are."""
    return word[:-1] + "y" if " " not in word and word.endswith("e") else word
