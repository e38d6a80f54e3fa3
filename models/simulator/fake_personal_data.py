"""Personal data as people type it into a search field, all of it fake.

Mail addresses are of domains that stand for examples, card numbers are of issuers' test ranges, a PESEL is of somebody
who will be born after 2030, streets lie in towns that do not exist. Check digits are right, so that nothing but a look
at the shape gives them away.
"""

import numpy as np

from models.simulator.arrays import Ints, Words, as_words

Rng = np.random.Generator

KINDS = ("email", "phone", "pesel", "card", "address")
_FIRST = ("anna", "jan", "maria", "piotr", "zofia", "adam", "ewa", "tomasz", "hanna", "pawel", "iga")
_LAST = ("kowalska", "nowak", "wisniewski", "wojcik", "kaminska", "lewandowski", "zielinska", "wrona")
_DOMAINS = ("example.pl", "example.com", "example.org", "poczta.example", "firma.example")
_MOBILE = (50, 51, 53, 57, 60, 66, 69, 72, 73, 78, 79, 88)
_CARDS = (424242, 400000, 555555, 222300, 520082)  # what payment services give out for tests
_STREETS = ("Kwiatowa", "Polna", "Lipowa", "Szkolna", "Ogrodowa", "Słoneczna", "Brzozowa", "Łąkowa")
_TOWNS = ("Nowogrodzin", "Lipowiany", "Stare Brzezie", "Zalesin Dolny", "Wierzbokrąg")
_PESEL_WEIGHTS = np.array([1, 3, 7, 9, 1, 3, 7, 9, 1, 3])


def fake_personal_data(count: int, rng: Rng) -> tuple[Ints, Words]:
    """Return kinds [count], index of KINDS, and texts [count]: no two alike, up to 100,000 of a kind."""
    kinds = rng.integers(0, len(KINDS), count)
    texts = np.empty(count, dtype=object)
    for kind, make in enumerate((_emails, _phones, _pesels, _cards, _addresses)):
        mine = np.flatnonzero(kinds == kind)
        texts[mine] = make(len(mine), rng)
    return kinds, texts


def distinct(count: int, limit: int, rng: Rng) -> Ints:
    """Return numbers [count] below limit in no visible order, no two alike as long as count <= limit."""
    strides = limit // 2 + rng.integers(0, limit // 3, 64)
    stride = strides[np.gcd(strides, limit) == 1][0]  # shares no divisor with limit: a full cycle
    numbers: Ints = (rng.integers(0, limit) + np.arange(count) * stride) % limit
    return numbers


def digits(numbers: Ints, width: int) -> Ints:
    """Return the last `width` decimal digits [n, width] of each number."""
    return (numbers[:, None] // 10 ** np.arange(width - 1, -1, -1)) % 10


def luhn(body: Ints) -> Ints:
    """Return the check digit [n] of a card number's other digits [n, D]."""
    doubled = body.copy()
    doubled[:, ::-2] *= 2
    check: Ints = -np.where(doubled > 9, doubled - 9, doubled).sum(axis=1) % 10
    return check


def _words(rows: Ints) -> Words:
    """Digits [n, D] as words."""
    return as_words(np.ascontiguousarray(rows.astype(np.uint8) + ord("0")).view(f"S{rows.shape[1]}")[:, 0])


def _any(choices: tuple[str, ...], count: int, rng: Rng) -> Words:
    return np.array(choices, dtype=object)[rng.integers(0, len(choices), count)]


def _together(*parts: Words | str) -> Words:
    """Join words and texts side by side."""
    whole: Words = np.asarray(parts[0], dtype=object)
    for part in parts[1:]:
        whole = np.add(whole, part, dtype=object)
    return whole


def _emails(count: int, rng: Rng) -> Words:
    number = _words(digits(distinct(count, 1_000_000, rng), 6))
    first, last = _any(_FIRST, count, rng), _any(_LAST, count, rng)
    gap = _any((".", "_", "-", ""), count, rng)
    return _together(first, gap, last, number, "@", _any(_DOMAINS, count, rng))


def _phones(count: int, rng: Rng) -> Words:
    nine = distinct(count, 10_000_000, rng) + 10_000_000 * rng.choice(_MOBILE, count)
    a, b, c = (_words(part) for part in np.split(digits(nine, 9), 3, axis=1))
    gap = _any((" ", "-", ""), count, rng)
    head = _any(("", "", "+48 ", "+48", "0048 ", "tel. "), count, rng)
    return _together(head, a, gap, b, gap, c)


def _pesels(count: int, rng: Rng) -> Words:
    serial = distinct(count, 69 * 12 * 28 * 10_000, rng)
    serial, last = np.divmod(serial, 10_000)
    serial, day = np.divmod(serial, 28)
    year, month = np.divmod(serial, 12)
    # born in this century: 20 is added to the month
    body = np.hstack(
        [digits(part, width) for part, width in ((31 + year, 2), (21 + month, 2), (1 + day, 2), (last, 4))]
    )
    check = -(body * _PESEL_WEIGHTS).sum(axis=1) % 10
    return _together(_any(("", "", "pesel "), count, rng), _words(np.column_stack([body, check])))


def _cards(count: int, rng: Rng) -> Words:
    issuer = digits(rng.choice(_CARDS, count), 6)
    body = np.hstack([issuer, digits(distinct(count, 10**9, rng), 9)])
    whole = np.column_stack([body, luhn(body)])
    gap = _any((" ", "-", ""), count, rng)
    a, b, c, d = (_words(part) for part in np.split(whole, 4, axis=1))
    return _together(a, gap, b, gap, c, gap, d)


def _addresses(count: int, rng: Rng) -> Words:
    house, flat = np.divmod(distinct(count, 200 * 100, rng), 100)
    post, number = np.divmod(distinct(count, 100_000, rng), 1000)
    kind = _any(("ul. ", "ul. ", "ulica ", "al. ", "os. "), count, rng)
    house_, flat_ = (as_words(part + 1) for part in (house, flat))
    door = _together(" ", house_, _any(("/", " m. "), count, rng), flat_, ", ")
    code = _together(_words(digits(post, 2)), "-", _words(digits(number, 3)), " ")
    return _together(kind, _any(_STREETS, count, rng), door, code, _any(_TOWNS, count, rng))
