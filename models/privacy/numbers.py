"""Personal numbers: digits of a phone, card, PESEL, NIP or bank account, told apart from those of products.

Checksums decide where a scheme has a good one. A PESEL (checksum and date) is met by 1 in 140 of all numbers of its
length, an IBAN by 1 in 97, so both are believed anywhere. A NIP is met by 1 in 11: ten digits in a row are believed
only beside a word as `nip` or `faktura`, or 1 in 11 part numbers would go; so are ten digits grouped with spaces, as
car makers group theirs. Dashes in a NIP's places, or PL before it, are believed as they are. After the word itself
(`nip`, `pesel`) the checksum is not asked: a slip of one digit leaves the rest of someone's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

import stdnum.ean
import stdnum.iban
import stdnum.luhn
import stdnum.pl.nip
import stdnum.pl.pesel
from stdnum import numdb

from models.privacy import phones
from models.privacy import polish_words as words
from models.privacy.context import SEPARATORS, Around, Span

_COUNTRIES = numdb.get("iban")
Groups = list[tuple[int, int]]  # start and end of digits that stand together
Sizes = tuple[int, ...]

_CHAIN = re.compile(
    rf"(?:(?<![^\W_])|(?<=tel)|(?<=kom))(?:\(?\+ ?\(?|\()?[0-9]+(?:{SEPARATORS}{{1,3}}[0-9]+)*(?![^\W_])"
)
_DIGITS = re.compile(r"[0-9]+")
_ACCOUNT_HEAD = re.compile(r"(?<![^\W_])([a-z]{2})[ -]?[0-9]{2}")
_NIP_WITH_COUNTRY = re.compile(r"(?<![^\W_])pl[ -]?[0-9](?:[ -]?[0-9]){9}(?![^\W_])(?![ -][0-9]{4})")
_NINE_DIGITS = re.compile(rf"[0-9](?:{SEPARATORS}*[0-9]){{8}}")

MOST_DIGITS = 26  # of an account
SHORT = 4  # figures of a size or a year that may stand before a phone number
TWO_ARTICLES = (13, 13)
CARD_SIZES = {(13,), (14,), (15,), (16,), (18,), (19,), (4, 4, 4, 4), (8, 8), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3)}
CARD_NUMBER = re.compile(
    r"4[0-9]{12}|4[0-9]{15}|4[0-9]{18}|(?=[0-9]{16}$)(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)[0-9]+|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}|(?=[0-9]{16,19}$)6(?:011|5|4[4-9])[0-9]+|62[0-9]{14,17}"
    r"|(?:50|5[6-8]|6304|6390|67)[0-9]{14,17}"
)
LENGTHS = {11, *range(13, 20)}  # digits of a PESEL or a card
OF_PESEL = {(11,), (6, 5)}
OF_COMPANY = {(3, 3, 2, 2), (3, 2, 2, 3)}


def nip(digits: str) -> bool:
    """Whether ten digits are a NIP, the Polish tax number."""
    return digits[0] != "0" and stdnum.pl.nip.is_valid(digits)


def pesel(digits: str) -> bool:
    """Whether eleven digits are a PESEL, the Polish personal number, of a birthday from 1900 to 2099."""
    return digits[2] < "4" and stdnum.pl.pesel.is_valid(digits)


def account_chars(country: str) -> int:
    """Characters of an IBAN of a country (`pl`: 28), 0 without one; from the structure of its account, `8!n16!n`."""
    ((_, entry), *_) = _COUNTRIES.info(country.upper())
    sizes = re.findall(r"[0-9]+", entry.get("bban", ""))
    return 4 + sum(map(int, sizes)) if sizes else 0


def with_country(text: str) -> Iterator[Span]:
    """IBANs, and NIPs with their country before them."""
    for head in _ACCOUNT_HEAD.finditer(text):
        wanted, end, account = account_chars(head[1]), head.start(), ""
        while len(account) < wanted and end < len(text):
            if text[end].isascii() and text[end].isalnum():
                account += text[end]
            elif text[end] not in " -" or not text[end - 1].isalnum():
                break
            end += 1
        whole = len(account) == wanted > 0 and not text[end : end + 1].isalnum()
        # words behind a short number are no account: a bank's code has four letters
        whole &= 5 * sum(char.isdigit() for char in account) >= 3 * wanted
        if whole and _NINE_DIGITS.search(text, head.start(), end) and stdnum.iban.is_valid(account):
            yield head.start(), end, "iban"
    for found_nip in _NIP_WITH_COUNTRY.finditer(text):
        if nip("".join(_DIGITS.findall(found_nip[0]))):
            yield *found_nip.span(), "nip"


def numbers(text: str) -> Iterator[Span]:
    """Cards, accounts, PESEL, NIP and phone numbers among chains of digits."""
    for chain in _CHAIN.finditer(text):
        groups = [digits.span() for digits in _DIGITS.finditer(text, *chain.span())]
        if sum(end - start for start, end in groups) >= 9:
            first = chain.start() + (chain[0][0] == "(" and ")" not in chain[0])
            yield from _read(text, first, groups)


def _read(text: str, first: int, groups: Groups) -> Iterator[Span]:
    """first: where the chain begins, its plus or bracket included."""
    left: Groups = []
    row = 0
    while row < len(groups):
        some = [] if "+" in text[first : groups[row][0]] else groups[row : row + MOST_DIGITS]
        taken, kind = _checked(text, some)
        if kind:
            yield from _grouped(text, first, left)
            yield groups[row][0], groups[row + taken - 1][1], kind
            first = groups[row + taken][0] if row + taken < len(groups) else 0
            left, row = [], row + taken
        else:
            left.append(groups[row])
            row += 1
    yield from _grouped(text, first, left)


def _checked(text: str, groups: Groups) -> tuple[int, str]:
    """The count of the first groups that are a number with a good check digit, and its kind; 0 and `` without."""
    digits, sizes = "", ()  # type: tuple[str, Sizes]
    for taken, (start, end) in enumerate(groups, 1):
        digits, sizes = digits + text[start:end], (*sizes, end - start)
        if len(digits) > MOST_DIGITS:
            break
        if len(digits) == MOST_DIGITS and sizes != TWO_ARTICLES and stdnum.iban.is_valid("pl" + digits):
            return taken, "iban"
        if len(digits) in LENGTHS:
            kind = _scheme(digits, sizes, Around(text, groups[0][0], end))
            if kind:
                return taken, kind
    return 0, ""


def _scheme(digits: str, sizes: Sizes, around: Around) -> str:
    """`pesel`, `card` or ``: grouped as usual, or in any way behind the word for it."""
    if len(digits) == 11:
        named = "pesel" in around.text and "pesel" in around.before
        return "pesel" if named or (sizes in OF_PESEL and pesel(digits)) else ""
    return "card" if _is_card(digits, sizes, around) else ""


def _is_card(digits: str, sizes: Sizes, around: Around) -> bool:
    if not (CARD_NUMBER.fullmatch(digits) and stdnum.luhn.is_valid(digits)):
        return False
    if around.names(words.CARD):
        return True
    if sizes not in CARD_SIZES:
        return False
    # 13 digits are an article's number where its check holds; round groups are sizes
    is_article = sizes == (13,) and stdnum.ean.is_valid(digits)
    return not is_article and not (len(sizes) > 1 and _all_round(digits, sizes))


def _all_round(digits: str, sizes: Sizes) -> bool:
    """Whether every group ends in two zeros."""
    return all(digits[:end].endswith("00") for end in accumulate(sizes))


def _grouped(text: str, first: int, groups: Groups) -> Iterator[Span]:
    """Phones and NIPs in groups that no check speaks for.

    Looked for in all of them, else between slashes, else behind the first (`buty 42 600 123 456`), else between
    spaces.
    """
    if groups:
        yield from (
            _among(text, first, [groups])
            or _among(text, first, _parted(text, groups, "/"))
            or _behind_first(text, groups)
            or _among(text, first, _parted(text, groups, " "))
        )


def _among(text: str, first: int, parts: list[Groups]) -> list[Span]:
    spans = []
    for row, part in enumerate(parts):
        start = part[0][0] if row else first
        kind, count = _kind(text, start, part)
        if kind:
            spans.append((start, part[count - 1][1], kind))
    return spans


def _behind_first(text: str, groups: Groups) -> list[Span]:
    head = text[slice(*groups[0])]
    if len(groups) < 3 or len(head) > SHORT or head[0] == "0":
        return []
    start, end = groups[1][0], groups[-1][1]
    return [(start, end, "phone")] if phones.is_plain(*_figures(text, start, groups[1:])) else []


def _parted(text: str, groups: Groups, mark: str) -> list[Groups]:
    """Groups split at a mark between them."""
    parts: list[Groups] = [groups[:1]]
    for (_, end), group in pairwise(groups):
        if mark in text[end : group[0]]:
            parts.append([])
        parts[-1].append(group)
    return parts


def _figures(text: str, first: int, groups: Groups) -> tuple[str, Sizes, Around]:
    digits = "".join(text[start:end] for start, end in groups)
    sizes = tuple(end - start for start, end in groups)
    return digits, sizes, Around(text, first, groups[-1][1])


def _kind(text: str, first: int, groups: Groups) -> tuple[str, int]:
    """Kind of the first groups and how many they are."""
    digits, sizes, around = _figures(text, first, groups)
    if len(digits) == 10 and _is_nip(text, digits, sizes, groups, around):
        return "nip", len(groups)
    count = phones.phone(digits, sizes, "+" in text[first : groups[0][0]], around)
    return ("phone", count) if count else ("", 0)


def _is_nip(text: str, digits: str, sizes: Sizes, groups: Groups, around: Around) -> bool:
    if "nip" in around.before:
        return True
    if not nip(digits):
        return False
    if around.names(words.COMPANY):
        return True
    dashed = text[groups[0][0] : groups[-1][1]].count("-") == len(sizes) - 1
    return sizes in OF_COMPANY and (dashed or around.alone) and not around.coded
