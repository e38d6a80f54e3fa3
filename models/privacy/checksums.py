"""Schemes of numbers: their prefixes in use, lengths and check digits."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOBILE = _words("45 50 51 53 57 60 66 69 72 73 78 79 88")
LANDLINE = _words(
    "12 13 14 15 16 17 18 22 23 24 25 29 32 33 34 41 42 43 44 46 47 48 52 54 55 56 58 59 61 62 63 65 67 68 71 74 75 76"
    " 77 81 82 83 84 85 86 87 89 91 94 95"
)
ABROAD = (
    "420",
    "421",
    "370",
    "371",
    "372",
    "375",
    "380",
    "353",
    "49",
    "44",
    "43",
    "33",
    "39",
    "31",
    "32",
    "34",
    "45",
    "46",
    "47",
    "41",
    "36",
)
CARD_SIZES = {(13,), (14,), (15,), (16,), (18,), (19,), (4, 4, 4, 4), (8, 8), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3)}
CARD_NUMBER = re.compile(
    r"4[0-9]{12}|4[0-9]{15}|4[0-9]{18}|(?=[0-9]{16}$)(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)[0-9]+|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}|(?=[0-9]{16,19}$)6(?:011|5|4[4-9])[0-9]+|62[0-9]{14,17}"
    r"|(?:50|5[6-8]|6304|6390|67)[0-9]{14,17}"
)
ACCOUNT = {  # characters of an IBAN by country
    **dict.fromkeys(("no",), 15),
    **dict.fromkeys(("be",), 16),
    **dict.fromkeys(("dk", "fi", "nl"), 18),
    **dict.fromkeys(("at", "ee", "lt", "lu", "ba"), 20),
    **dict.fromkeys(("ch", "hr", "li", "lv"), 21),
    **dict.fromkeys(("bg", "de", "gb", "ie", "me", "rs"), 22),
    **dict.fromkeys(("cz", "es", "ro", "se", "sk", "md", "tn"), 24),
    **dict.fromkeys(("is", "tr"), 26),
    **dict.fromkeys(("fr", "gr", "it", "mc", "sm"), 27),
    "ua": 29,
    "mt": 31,
    **dict.fromkeys(("al", "cy", "hu", "pl"), 28),
    "pt": 25,
    "si": 19,
    "mk": 19,
    "ge": 22,
    "il": 23,
    "ae": 23,
    "sa": 24,
}


def luhn(digits: str) -> bool:
    """Does the last digit of a card number check the others (ISO/IEC 7812)?"""
    doubled = (2 * int(digit) if row % 2 else int(digit) for row, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def ean(digits: str) -> bool:
    """Does the last digit of an article number check the others (GS1)?"""
    return sum(int(digit) * (3 if row % 2 else 1) for row, digit in enumerate(reversed(digits))) % 10 == 0


def nip(digits: str) -> bool:
    """Do ten digits hold a NIP's checksum?"""
    total = sum(weight * int(digit) for weight, digit in zip((6, 5, 7, 2, 3, 4, 5, 6, 7), digits, strict=False))
    return digits[0] != "0" and total % 11 == int(digits[9])


def pesel(digits: str) -> bool:
    """Do eleven digits hold a PESEL's checksum, and a birthday from 1900 on?"""
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    if sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 10:
        return False
    year, month, day = (int(digits[at : at + 2]) for at in (0, 2, 4))
    century, month = divmod(month, 20)
    leap = year % 4 == 0 and (year > 0 or century == 1)
    days = (0, 31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return century < 2 and 1 <= month <= 12 and 1 <= day <= days[month]


def iban(text: str) -> bool:
    """Do country, check digits and account hold the checksum (ISO 13616)?"""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1
