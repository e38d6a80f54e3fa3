"""Masks personal data in a query with placeholders that normalisation leaves as they are.

The rules and their limits are documented in emails, polish_addresses, numbers and phones. A text is read lower-case,
without Polish marks and hidden characters, with full-width figures as plain ones, so a text as typed and the same
text normalised are masked alike.
"""

from __future__ import annotations

import re
import unicodedata

from models.privacy.context import SEPARATORS, Span
from models.privacy.emails import TOPS, mails
from models.privacy.numbers import numbers, with_country
from models.privacy.polish_addresses import LONGEST_NAME, codes, streets
from models.privacy.polish_words import FOLD

KINDS = ("email", "phone", "card", "pesel", "nip", "iban", "address")
_PLACEHOLDER = re.compile(rf"<(?:{'|'.join(KINDS)})>")
# in this order: a mail may hold a phone number, an account cards, an address figures before a phone number
_FINDERS = (mails, with_country, streets, codes, numbers)

# characters that normalisation drops, or turns into white space or ASCII; written as themselves, since RE2, Java and
# Python spell code points in three ways
_HIDDEN = (
    "\0-\x1f\x7f-\xbf\u0130\u0132\u0133\u013f\u0140\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3\u02b0-\u02e3\u037a-\u0385"
    "\u0600-\u0605\u061c\u0660-\u0669\u06dd\u06f0-\u06f9\u070f\u0890\u0891\u08e2\u0966-\u096f\u1680\u180b-\u180f"
    "\u1d2c-\u1dbf\u1e9a\u1fbd-\u200f\u2011\u2017\u2024-\u202f\u2033-\u2037\u203c\u203e\u2047-\u2049\u2057-\u209f\u20a8"
    "\u2100-\u2189\u2460-\u24ea\u2a74-\u2a76\u2c7c\u2c7d\u3000\u309b\u309c\u3200-\u33ff\ua7f2-\ua7f4\ufb00-\ufb29"
    "\ufc5e-\ufc63\ufdfa-\ufe7e\ufeff-\uff5e\uffe3-\ufffb"
    "\U000107a5\U000110bd-\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U0001d400-\U0001d7ff"
    "\U0001f100-\U0001f190\U0001fbf0-\U0001fbf9\U000e0001-\U000e007f"
)
_IS_HIDDEN = re.compile(f"[{_HIDDEN}\ud800-\udfff]|  ")


def _any_case(word: str) -> str:
    """A pattern of a word in either case, with or without Polish marks."""
    marks = {"a": "ąĄ", "c": "ćĆ", "e": "ęĘ", "l": "łŁ", "n": "ńŃ", "o": "óÓ", "s": "śŚ", "z": "żŻźŹ"}
    return "".join(f"[{char}{char.upper()}{marks.get(char, '')}]" for char in word)


def _one_of(some: str) -> str:
    return "(?:" + "|".join(map(_any_case, some.split())) + ")"


_NO_WORD = "[^0-9A-Za-zÀ-ž]"
_STREET = _one_of("ul ulica ulicy al aleja aleje alei os osiedle osiedlu pl plac placu")
_TOPS = "(?:" + "|".join(map(_any_case, TOPS.split("|"))) + ")"
# Texts that mask_personal may change, for RE2 (Arrow), Java (Spark) and Python alike: no look-around, no
# classes by letter. It is weaker than the rules, so it passes every text that they change, and a few more.
SUSPECT = "|".join(
    (
        f"[@{_HIDDEN}]",
        rf"[0-9](?:{SEPARATORS}*[0-9]){{8}}",
        rf"(?:^|{_NO_WORD}){_STREET}[.: ][^0-9]{{0,{LONGEST_NAME + 4}}}[0-9]",
        r"[0-9]{2} ?- ?[0-9]{3}(?:[^0-9A-Za-zÀ-ž-]|$)",
        rf"(?:{_any_case('stra')}(?:{_any_case('ss')}|[ßẞ])[Ee]|{_any_case('str')}\.|{_any_case('gasse')}) ?[0-9]",
        rf"[(\[{{<] ?{_one_of('at malpa a')} ?[)\]}}>]",
        rf" {_one_of('at malpa')} [^ .,()\[{{]+(?:\.| ?[(\[{{]| {_one_of('dot kropka')} |[ ,]{_TOPS})",
    )
)


def mask_personal(text: str) -> str:
    """Text with `<email>`, `<phone>`, `<card>`, `<pesel>`, `<nip>`, `<iban>`, `<address>` in place of personal data.

    Idempotent: the masked text is searched again until nothing is left to mask.
    """
    while spans := _spans(text):
        for start, end, kind in reversed(spans):
            text = f"{text[:start]}<{kind}>{text[end:]}"
    return text


def kinds_in(text: str) -> tuple[str, ...]:
    """Kinds of personal data in a text, masked or not, in the order of KINDS; never the data."""
    masked = mask_personal(text)
    return tuple(kind for kind in KINDS if f"<{kind}>" in masked)


def is_only_personal(masked: str) -> bool:
    """Whether a masked text has only placeholders and punctuation left."""
    left, count = _PLACEHOLDER.subn("", masked)
    return count > 0 and not any(char.isalnum() for char in left)


def _spans(text: str) -> list[Span]:
    """The spans of personal data in a text, in order, without overlap."""
    seen, places = _seen(text)
    seen = _PLACEHOLDER.sub(lambda match: "\0" * len(match[0]), seen)
    spans: list[Span] = []
    for find in _FINDERS:
        for start, end, kind in list(find(seen)):
            if "\0" not in seen[start:end]:
                seen = seen[:start] + "\0" * (end - start) + seen[end:]
                spans.append((start, end, kind))
    if places:
        spans = [(places[start], places[end - 1] + 1, kind) for start, end, kind in spans]
    return sorted(spans)


def _seen(text: str) -> tuple[str, list[int]]:
    """The text as the rules read it, and the position of each of its characters; no positions where none moved."""
    if not _IS_HIDDEN.search(text):
        return text.lower().translate(FOLD), []
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for letter in _as_normalised(char):
            if not (letter == " " and chars[-1:] == [" "]):
                chars.append(letter)
                places.append(place)
    return "".join(chars).translate(FOLD), places


def _as_normalised(char: str) -> str:
    """The normalised form of a single character; Arabic and Devanagari figures become ASCII."""
    if char.isspace():
        return " "
    if unicodedata.category(char) in {"Cc", "Cf", "Cs"}:
        return ""
    figure = unicodedata.decimal(char, None)
    if figure is not None and _IS_HIDDEN.match(char):
        return str(figure)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", char).lower())
