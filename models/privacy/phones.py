"""Phone numbers among digits.

A phone number has no checksum, and nine digits may as well be a part number. Evidence for a phone: +48 or 0048;
a word as `tel` before it; a first name or `kontakt` in the text; the grouping of a Polish mobile (3-3-3) or landline
(2-3-2-2) with a prefix that is in use; nothing else in the text. Evidence against: a unit behind it, nothing but
round groups (600 300 200 are millimetres), a word as `oem` before it, car parts in the text. A bare valid number on
its own is masked: privacy first, and a part number so lost is of a query that hardly k clients type. Nine
digits in one block beside product words stay: there a part number is the likelier reading.
"""

from __future__ import annotations

import stdnum.ean
from phonenumbers import PhoneNumber, PhoneNumberType, number_type

from models.privacy.context import Around

Sizes = tuple[int, ...]
MOBILE, LANDLINE = PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE
# countries that people in Poland call
ABROAD = tuple(map(str, (420, 421, 370, 371, 372, 375, 380, 353, 49, 44, 43, 33, 39, 31, 32, 34, 45, 46, 47, 41, 36)))

BY_MOBILE = {(3, 3, 3), (3, 2, 2, 2), (3, 6)}
BY_AREA = {(2, 3, 2, 2)}
BY_TRUNK = {(1, 2, 3, 2, 2), (1, 2, 7), (3, 3, 2, 2), (3, 7)}
NATIONAL = 9  # digits of a Polish number
SHORTEST, LONGEST = 9, 15  # digits of an international number, its country's included (E.164)


def phone(digits: str, sizes: Sizes, plus: bool, around: Around) -> int:
    """The count of the first groups that are a phone number; 0 where they are none.

    plus: a plus sign is in front of them.
    """
    if plus:
        wanted = 11 if digits.startswith("48") else 0
        return _taken(sizes, wanted) or (len(sizes) if SHORTEST <= len(digits) <= LONGEST else 0)
    if digits.startswith("0048"):
        return _taken(sizes, 13) if _in_use(digits[4:13]) or around.called else 0
    if _is_abroad(digits, sizes, around) or _is_national(digits, sizes, around):
        return len(sizes)
    # behind the word that says so, further figures may follow
    return max(_taken(sizes, 9), _taken(sizes, 11)) if around.called and len(sizes) > 1 else 0


def _taken(sizes: Sizes, wanted: int) -> int:
    """The count of groups that have `wanted` digits together; 0 where none have."""
    total = 0
    for count, size in enumerate(sizes, 1):
        total += size
        if total == wanted:
            return count
    return 0


def _kind(digits: str) -> int:
    """MOBILE, LANDLINE, or another kind of number in the Polish numbering plan, where nine digits are a number."""
    if len(digits) != NATIONAL:
        return PhoneNumberType.UNKNOWN
    return number_type(PhoneNumber(country_code=48, national_number=int(digits)))


def _in_use(digits: str) -> bool:
    return _kind(digits) in (MOBILE, LANDLINE)


def _is_abroad(digits: str, sizes: Sizes, around: Around) -> bool:
    """An international number dialled with 00."""
    if not (digits.startswith("00") and digits[2:].startswith(ABROAD)):
        return False
    # in one block they may be an article's number, padded
    is_article = len(digits) == 13 and len(sizes) == 1 and stdnum.ean.is_valid(digits)
    return 11 <= len(digits) <= LONGEST and (around.called or not (is_article or around.coded))


def _is_national(digits: str, sizes: Sizes, around: Around) -> bool:
    if around.called and (len(digits) == 9 or (len(digits) == 10 and digits[0] == "0")):
        return True
    if around.coded:
        return False
    if len(digits) == 10 and digits[0] == "0" and sizes in BY_TRUNK and _kind(digits[1:]) == LANDLINE:
        return not around.measured
    bare = digits[2:] if len(digits) == 11 and digits.startswith("48") else digits
    if len(bare) == 9 and around.alone and not around.measured and _in_use(bare):
        return True
    return is_plain(digits, sizes, around)


def is_plain(digits: str, sizes: Sizes, around: Around) -> bool:
    """Written like a Polish number with no evidence against it in the text, or dialled with 00."""
    if digits.startswith("0048") and len(digits) == 13:
        return _in_use(digits[4:])
    if around.coded or around.measured or around.parts:
        return False
    if _is_abroad(digits, sizes, around):
        return True
    if len(digits) == 11 and digits.startswith("48") and sizes[0] == 2:
        return _customary(digits[2:], sizes[1:])
    return _customary(digits, sizes, around.bracketed) and not _is_size(digits, sizes, around)


def _is_size(digits: str, sizes: Sizes, around: Around) -> bool:
    """Three sizes in millimetres end in 0 or 5; of some goods not all do."""
    ending = sum(digits[at] in "05" for at in (2, 5, 8))
    return sizes == (3, 3, 3) and ending >= (2 if around.sized else 3)


def _customary(digits: str, sizes: Sizes, bracketed: bool = False) -> bool:
    """Grouped as a Polish number is written."""
    if len(digits) != 9:
        return False
    if bracketed:
        return _kind(digits) == LANDLINE
    if sizes in BY_MOBILE:
        return _kind(digits) == MOBILE
    return sizes in BY_AREA and _kind(digits) == LANDLINE
