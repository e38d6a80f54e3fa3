"""Street addresses: a street and its house number, a postal code and its town.

`ul.`, `ulica`, `aleja`, `osiedle`, `plac` with a name and a house number are believed, save for what shops sell under
these words (`plac zabaw`, `ulica sezamkowa`; `ul` is a beehive, and its models end as `wielkopolski`, which no street
does). `al`, `os` and `pl` are words of their own (aluminium, axle or persons, Poland): they need a flat number, a name
that avenues, estates and squares have, or a town in the text. NN-NNN may be a zoom or a range: it needs a town known by
name or ending, a zero that no range has (05-820), the words `kod pocztowy`, or a street before it. A street without such a word is found with a
postal code behind it only. Abroad: German street names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.privacy import polish_words as words
from models.privacy.context import NEAR, Span

LONGEST_NAME = 80  # characters of a street's name
_LETTER = r"[^\W\d_]"
_NAME_WORD = rf"(?:{_LETTER}[^\W\d_'’.-]*(?:[.'’-]{_LETTER}+)*\.?)"
_UNIT = rf"(?! ?(?:{'|'.join(sorted(words.UNITS - {'m', 'k', 'l'}))}|m(?! ?\.? ?[0-9]))(?![^\W_]))"
_HOUSE = r"(?:nr\.? ?)?[0-9]{1,3}(?: ?[a-h](?![^\W_]))?(?![^\W_])"
_FLAT = r"(?: ?[/\\] ?[0-9]{1,4} ?[a-h]?| ?,? ?(?:m|lok|lokalu?|miesz[a-z]*|apt)\.? ?[0-9]{1,4} ?[a-h]?)(?![^\W_])"
_STREET = re.compile(
    rf"(?<![^\W_])(?<![.-])(ulica|ulicy|ul|aleja|aleje|alei|al|osiedle|osiedlu|os|placu|plac|pl)([.:]? |[.:])"
    rf"((?:[0-9]{{1,4}}(?:-?go|-?lecia)?\.? )?{_NAME_WORD}(?: {_NAME_WORD}){{0,4}}?),? ?({_HOUSE})({_FLAT})?{_UNIT}"
)
_FOREIGN = re.compile(rf"(?<![^\W_]){_LETTER}[\w-]{{2,}}(?:stra(?:ss|ß)e|str\.|gasse) ?[0-9]{{1,4}} ?[a-h]?(?![^\W_])")
_CODE = re.compile(
    r"(?<![^\W_])(?<![-.])(?P<code>[0-9]{2} ?- ?[0-9]{3})(?![^\W_])(?!-)[, ]{0,2}"
    rf"(?P<town>{_NAME_WORD})?(?P<more>[ -]{_NAME_WORD})?"
)
_BEFORE_CODE = re.compile(
    rf"(?<![^\W_])(?:[0-9]{{1,4}} )?(?:{_NAME_WORD} ){{1,3}}[0-9]{{1,4}}[a-h]?(?P<flat>{_FLAT})?(?P<comma>,)? ?$"
)
_FEMININE = re.compile(r"(?:ska|cka|owa|na|ej|iego|icza) [0-9]")
_SAID = re.compile(r"(?:kod(?: pocztowy)?|poczta|adres|zamieszkal[ya]|zam\.)[: ]{0,2}$")

# what shops sell under the words for streets
_GOODS = re.compile(r"zabaw|budowy|sezamkow|broni|targow|w |z ")
_BEEHIVE = re.compile(r"(?:[sc]ki|owy|ny)$|dadan|langstrot|ramk|korpus|pszcz|apipol|drewn|styro|miod|odklad")
_CAR = re.compile(r"przed|tyln|skret|naped|wahacz|kol[ao]|drzwi|skrzyn|most")


def streets(text: str) -> Iterator[Span]:
    """Streets with a house number."""
    for match in _STREET.finditer(text):
        if _is_street(text, match):
            yield *match.span(), "address"
    for match in _FOREIGN.finditer(text):
        yield *match.span(), "address"


def _is_street(text: str, match: re.Match[str]) -> bool:
    word, dot, name, _, flat = match.groups()
    if _GOODS.match(name) or len(name) > LONGEST_NAME:
        return False
    if word == "ul" and "." not in dot:
        return not _BEEHIVE.search(name)
    if word not in {"al", "os", "pl"}:
        return True
    if any(known in name for known in words.KNOWN):
        return True
    if word == "os" and text[: match.start()].rstrip(" -")[-1:].isdigit():  # 4 os. are persons
        return False
    if flat or _names_town(text[max(0, match.start() - NEAR) : match.end() + NEAR]):
        return True
    if "." not in dot or _CAR.search(name):
        return False
    return word != "al" or match.start() == 0


def _names_town(text: str) -> bool:
    return not words.TOWNS.isdisjoint(re.findall(r"[^\W\d_]+", text))


def codes(text: str) -> Iterator[Span]:
    """Postal codes with their town, and the street before them; streets that were found before are NUL already."""
    for match in _CODE.finditer(text):
        before = text[max(0, match.start() - 80) : match.start()]
        street = _BEFORE_CODE.search(before)
        likely = street is not None and bool(street["flat"] or _FEMININE.search(street[0]))
        sure = likely or before.rstrip(" ,").endswith("\0") or bool(_SAID.search(before))
        end = _code_end(match, sure)
        if end:
            taken = street is not None and (likely or street["comma"])
            yield match.start() - (len(street[0]) if street and taken else 0), end, "address"


def _code_end(match: re.Match[str], sure: bool) -> int:
    """The end of the town behind a code, or the code where it is sure without one; 0 where it is no address."""
    town, more = match["town"], (match["more"] or "")[1:].rstrip(".")
    # no zoom or range is written 05-820 or 30-046
    sure = sure or "0" in (match["code"][0], match["code"][-3])
    two = town in words.HALF_TOWNS and more in words.SECOND
    if town and town not in words.UNITS and (sure or two or _is_town(town)):
        return match.end() if more in words.SECOND else match.end("town")
    return match.end("code") if sure else 0


def _is_town(word: str) -> bool:
    return word.partition("-")[0] in words.TOWNS or (len(word) > 4 and word.endswith(words.TOWN_ENDINGS))
