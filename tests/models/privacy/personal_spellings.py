"""Personal data as people spell it, made by the schemes of the numbers; nothing here knows the detector.

Two wordings, `first` and `second`: see personal_cases. The secret of a spelling that has other words in it stands
between « and ».
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

FIRST, SECOND, THIRD = "first", "second", "third"

MOBILE = ["45", "50", "51", "53", "57", "60", "66", "69", "72", "73", "78", "79", "88"]
AREA = [
    "12",
    "13",
    "14",
    "15",
    "16",
    "17",
    "18",
    "22",
    "23",
    "24",
    "25",
    "29",
    "32",
    "33",
    "34",
    "41",
    "42",
    "43",
    "44",
    "46",
    "48",
    "52",
    "54",
    "55",
    "56",
    "58",
    "59",
    "61",
    "62",
    "63",
    "65",
    "67",
    "68",
    "71",
]
AREA += ["74", "75", "76", "77", "81", "82", "83", "84", "85", "86", "87", "89", "91", "94", "95"]


def digits(rng: random.Random, count: int, first: str = string.digits) -> str:
    return rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def grouped(text: str, sizes: tuple[int, ...], mark: str = " ") -> str:
    assert sum(sizes) == len(text), (text, sizes)
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return mark.join(parts)


# the schemes


def mobile(rng: random.Random) -> str:
    return rng.choice(MOBILE) + digits(rng, 7)


def landline(rng: random.Random) -> str:
    return rng.choice(AREA) + digits(rng, 7, "234567")


def pesel_number(rng: random.Random) -> str:
    """A birthday between 1930 and 2015, a serial number, the check digit."""
    year, month, day = rng.randint(1930, 2015), rng.randint(1, 12), rng.randint(1, 28)
    body = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{day:02}" + digits(rng, 4)
    weighted = [int(figure) * (1, 3, 7, 9)[place % 4] for place, figure in enumerate(body)]
    return body + str(-sum(weighted) % 10)


def nip_number(rng: random.Random) -> str:
    while True:
        body = digits(rng, 9, "123456789")
        check = sum(int(body[place]) * (6, 5, 7, 2, 3, 4, 5, 6, 7)[place] for place in range(9)) % 11
        if check < 10:
            return body + str(check)


def card_number(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + "".join(rng.choices(string.digits, k=length - len(prefix) - 1))
    total = 0
    for place, figure in enumerate(body[::-1]):
        value = int(figure) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return body + str(-total % 10)


def account_number(country: str, account: str) -> str:
    """Country, the two check digits of ISO 13616, account."""
    letters = account + country + "00"
    spelt = "".join(char if char.isdigit() else str(ord(char) - ord("A") + 10) for char in letters)
    return f"{country}{98 - int(spelt) % 97:02}{account}"


def article_number(rng: random.Random, prefix: str, length: int = 13) -> str:
    """An EAN with its check digit."""
    body = prefix + "".join(rng.choices(string.digits, k=length - 1 - len(prefix)))
    total = sum(int(figure) * (3 if place % 2 == 0 else 1) for place, figure in enumerate(body[::-1]))
    return body + str(-total % 10)


# how people spell them


def spelt_phone(rng: random.Random, wording: str) -> tuple[str, str]:
    """A phone number with +48, or grouped; and the family."""
    number, mark = mobile(rng), rng.choice(" -" if wording == FIRST else " -.")
    line = landline(rng)
    plus = {
        FIRST: ("+48 ", "+48", "0048 "),
        SECOND: ("+48-", "(+48) ", "0048", "+48", "+ 48 "),
        THIRD: ("+48", "(+48)", "0048 ", "+48 ", "(0048) ", "+(48) "),
    }[wording]
    made: list[Callable[[], tuple[str, str]]] = [
        lambda: (rng.choice(plus) + number, "phone, +48"),
        lambda: (rng.choice(plus) + grouped(number, (3, 3, 3), mark), "phone, +48"),
        lambda: (rng.choice(plus) + grouped(line, (2, 3, 2, 2), mark), "phone, +48"),
        lambda: (grouped(number, (3, 3, 3), mark), "phone, grouped"),
        lambda: (grouped(line, (2, 3, 2, 2), mark), "phone, grouped"),
    ]
    more: dict[str, list[Callable[[], tuple[str, str]]]] = {
        FIRST: [lambda: (f"({line[:2]}) {grouped(line[2:], (3, 2, 2), mark)}", "phone, grouped")],
        SECOND: [
            lambda: (grouped(number, (3, 2, 2, 2), mark), "phone, grouped"),
            lambda: (f"({line[:2]}){line[2:]}", "phone, grouped"),
            lambda: (f"0{line[:2]} {grouped(line[2:], (3, 2, 2), mark)}", "phone, grouped"),
            lambda: (f"48 {grouped(number, (3, 3, 3))}", "phone, grouped"),
        ],
    }
    return rng.choice(made + more[SECOND if wording == THIRD else wording])()


def spelt_abroad(rng: random.Random, wording: str) -> str:
    if wording == FIRST:
        return rng.choice(
            (
                f"+49 17{digits(rng, 1)} {digits(rng, 7)}",
                f"+44 7{digits(rng, 3)} {digits(rng, 6)}",
                f"+380 67 {digits(rng, 3)} {digits(rng, 2)} {digits(rng, 2)}",
                f"+420{digits(rng, 9, '67')}",
            )
        )
    return rng.choice(
        (
            f"+1 ({digits(rng, 3, '23456789')}) {digits(rng, 3)}-{digits(rng, 4)}",
            f"+33 6 {grouped(digits(rng, 8), (2, 2, 2, 2))}",
            f"0049 15{digits(rng, 1)} {digits(rng, 8)}",
            f"+37{digits(rng, 9, '015')}",
            f"00380{digits(rng, 9, '5679')}",
        )
    )


def spelt_card(rng: random.Random, wording: str) -> str:
    """Card networks by their ranges; one in fifty a Visa of 13 digits."""
    prefix, length, sizes = rng.choice(
        (
            ("4", 16, (4, 4, 4, 4)),
            (f"5{rng.randint(1, 5)}", 16, (4, 4, 4, 4)),
            (f"{rng.randint(2221, 2720)}", 16, (4, 4, 4, 4)),
            (rng.choice(("34", "37")), 15, (4, 6, 5)),
            ("36", 14, (4, 6, 4)),
            (f"35{rng.randint(28, 89)}", 16, (4, 4, 4, 4)),
            ("6011", 16, (4, 4, 4, 4)),
            ("62", 16, (4, 4, 4, 4)),
            ("4", 16, (4, 4, 4, 4)),
            ("65", 16, (4, 4, 4, 4)),
        )
    )
    if rng.random() < 0.02:
        return card_number(rng, "4", 13)
    number = card_number(rng, prefix, length)
    marks = ["", " ", "-"] if wording == FIRST else ["", " ", ".", "  "]
    mark = rng.choice(marks)
    return grouped(number, sizes, mark) if mark else number


def spelt_account(rng: random.Random, wording: str) -> str:
    letters = "".join(rng.choices(string.ascii_uppercase, k=4))
    abroad = {
        FIRST: (("DE", digits(rng, 18)), ("GB", letters + digits(rng, 14)), ("NL", letters + digits(rng, 10))),
        SECOND: (
            ("CZ", digits(rng, 20)),
            ("FR", digits(rng, 23)),
            ("IE", letters + digits(rng, 14)),
            ("LT", digits(rng, 16)),
        ),
    }[SECOND if wording == THIRD else wording]
    country, account = rng.choice((("PL", digits(rng, 24)),) * 4 + abroad)
    number = account_number(country, account)
    fours = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    made = [number, fours, number.lower()]
    if country == "PL":
        bare = number[2:]
        bank = f"{bare[:2]} " + " ".join(bare[at : at + 4] for at in range(2, 26, 4))
        made += [bare, bank] if wording == FIRST else [bank, f"PL {bank}", bank.replace(" ", "-")]
    return rng.choice(made)


def spelt_nip(rng: random.Random, wording: str) -> str:
    number = nip_number(rng)
    if wording == FIRST:
        return rng.choice(
            (
                f"nip «{number}»",
                f"NIP: «{grouped(number, (3, 3, 2, 2), '-')}»",
                f"«PL{number}»",
                f"faktura «{number}»",
                f"nip «{grouped(number, (3, 2, 2, 3), '-')}»",
                f"NIP «{grouped(number, (3, 3, 2, 2))}»",
            )
        )
    return rng.choice(
        (
            f"nr nip «{number}»",
            f"NIP{rng.choice((' ', ' - ', '.: '))}«{number}»",
            f"«pl {number}»",
            f"fv na firmę «{number}»",
            f"nip «PL {grouped(number, (3, 3, 2, 2), '-')}»",
            f"numer nip to «{grouped(number, (3, 2, 2, 3))}»",
        )
    )


def spelt_pesel(rng: random.Random, wording: str) -> str:
    number = pesel_number(rng)
    return rng.choice((number, number, grouped(number, (6, 5), " " if wording == FIRST else "-")))


NICKS = {
    THIRD: ("a.b.lewandowski", "Kasia_1990", "zamowienia", "piotr-krol", "xx.kuba.xx", "sekretariat.szkola"),
    FIRST: ("jan.kowalski", "anna_nowak", "zosia1987", "biuro", "k.wisniewski", "sklep-rowerowy"),
    SECOND: ("m.zielinska+zakupy", "tomek77", "office", "p_wojcik", "Ewelina.Mazur", "hurtownia.abc", "ola%dom", "x"),
}
HOSTS = {
    FIRST: ("wp.pl", "gmail.com", "o2.pl", "interia.pl", "firma-nowak.pl", "poczta.onet.pl"),
    THIRD: (
        "vp.pl",
        "tlen.pl",
        "gazeta.pl",
        "protonmail.com",
        "gmx.de",
        "sp5.edu.pl",
        "seznam.cz",
        "firma.com.pl",
        "hotmail.com",
        "live.com",
    ),
    SECOND: (
        "op.pl",
        "yahoo.co.uk",
        "t-online.de",
        "student.uw.edu.pl",
        "abc.tech",
        "icloud.com",
        "ukr.net",
        "outlook.com",
    ),
}


def spelt_mail(rng: random.Random, wording: str) -> str:
    nick, host = rng.choice(NICKS[wording]), rng.choice(HOSTS[wording])
    plain = f"{nick}@{host}"
    if wording == FIRST:
        return rng.choice(
            (
                plain,
                plain,
                plain.upper(),
                f"{nick} @ {host}",
                f"{nick} (at) {host}",
                f"{nick}@{host.replace('.', ',')}",
                f"{nick}(malpa){host}",
                f"{nick} małpa wp kropka pl",
            )
        )
    common = rng.choice(("wp.pl", "gmail.com", "onet.pl"))
    return rng.choice(
        (
            plain,
            plain,
            plain.title(),
            f"{nick}@ {common}",
            f"{nick} @{common}",
            f"{nick}[at]{host}",
            f"{nick} [małpa] {host}",
            f"{nick} at {common.replace('.', ' dot ')}",
            f"{nick} (at) {common.replace('.', ' (dot) ')}",
            f"{nick}@{common.replace('.', ' ')}",
            f"{nick}@{common.partition('.')[0]}",
        )
    )
