"""A labelled set: queries with personal data in them, product queries that look alike, ordinary ones.

Three wordings, each with its own words round the data, spellings, streets, towns and product families; none knows the
detector. The rules were tuned on `first`. `second` and `third` were each looked at once, when the rules were done,
and what they showed was then put right, so all three now guard what is found. As first seen, before that (400 of a
kind, 300 of a family): second, e-mail, card, PESEL, NIP, IBAN, +48 1.00, grouped phones .88, after a word .90, streets .78,
avenues .78, codes with towns .73, look-alikes masked .023; third, the same six 1.00, grouped .93, after a word .83,
streets .85, avenues .97, codes with towns .90, look-alikes masked .0085.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.simulator.marketplace.queries import asked, texts
from tests.models.privacy.personal_families import FAMILIES
from tests.models.privacy.personal_places import spelt_address
from tests.models.privacy.personal_spellings import (
    FIRST,
    SECOND,
    THIRD,
    landline,
    mobile,
    spelt_abroad,
    spelt_account,
    spelt_card,
    spelt_mail,
    spelt_nip,
    spelt_pesel,
    spelt_phone,
)

DAY = 739_647
PLACEHOLDER = re.compile(r"<[a-z]+>")


@dataclass(frozen=True)
class Case:
    """text; its family; the kind of what is personal in it ('': nothing is); the words of that, and the others."""

    text: str
    family: str
    kind: str = ""
    secret: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def leaks(self, masked: str) -> bool:
        """Is a word of the secret left, or no placeholder of its kind there?"""
        left = set(words(PLACEHOLDER.sub(" ", masked)))
        return f"<{self.kind}>" not in masked or bool(left & (self.secret - self.others))

    def loses(self, masked: str) -> bool:
        """Is a word gone that was nobody's?"""
        return not self.others <= set(words(PLACEHOLDER.sub(" ", masked)))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def case(text: str, family: str, kind: str) -> Case:
    if "«" not in text:
        text = f"«{text}»"
    secret = frozenset(words(" ".join(re.findall("«(.*?)»", text))))
    others = frozenset(words(re.sub("«.*?»", " ", text)))
    return Case(re.sub("[«»]", "", text), family, kind, secret, others)


ROUND = {
    FIRST: (
        "{}",
        "{}",
        "buty nike 42 {}",
        "{} sukienka czerwona",
        "proszę o kontakt {}",
        "zamówienie {}",
        "laptop lenovo, {}",
    ),
    THIRD: (
        "{}",
        "{}",
        "mikrofalówka samsung {}",
        "{} odbiór w sklepie",
        "prosze wyslac na {}",
        "reklamacja - {}",
        "hej {} czekam",
        "klocki dla 5 latka / {}",
        "[{}]",
        "KARMA DLA PSA 15 KG {}",
    ),
    SECOND: (
        "{}",
        "{}",
        "szukam roweru dla dziecka {}",
        "{} kocham cię",
        "czy jest dostępny {}",
        "gdzie moja paczka {}",
        "kurtka zimowa xl; {}",
        "dane: {}",
        "- {} -",
        "Krzesło gamingowe ({})",
    ),
}
CALLED = {
    FIRST: (
        "tel {}",
        "tel. {}",
        "telefon: {}",
        "kontakt {}",
        "nr tel {}",
        "buty 42 tel {}",
        "jan nowak {}",
        "zadzwoń {}",
    ),
    THIRD: (
        "telefon {}",
        "pod numer telefonu {}",
        "tel kom {}",
        "komórka {}",
        "{} - proszę dzwonić",
        "pan Stanisław {}",
        "magda {}",
        "KONTAKT: {}",
        "nr telefonu {} rower",
        "zadzwońcie do mnie {}",
        "T: {}",
    ),
    SECOND: (
        "mój numer telefonu {}",
        "proszę dzwonić {}",
        "kom. {}",
        "{} proszę o kontakt",
        "pani Halina {}",
        "numer do mnie {}",
        "tel:{}",
        "TELEFON KONTAKTOWY {}",
        "sms na {}",
        "oddzwońcie {}",
    ),
}
BESIDE = {
    THIRD: ("wózek dziecięcy {}", "{} kurtka męska"),
    FIRST: ("lodówka {}", "{} buty damskie"),
    SECOND: ("fotel biurowy {}", "{} plecak szkolny"),
}


def personal(wording: str, each: int, seed: int = 7) -> Iterator[Case]:
    """`each` cases of every kind; bare phone numbers in families of their own."""
    rng = random.Random(f"{wording} {seed}")

    def framed(text: str) -> str:
        text = text if "«" in text else f"«{text}»"
        return rng.choice(ROUND[wording]).format(text)

    for _ in range(each):
        yield case(framed(spelt_mail(rng, wording)), "email", "email")
        number, family = spelt_phone(rng, wording)
        yield case(framed(number), family, "phone")
        yield case(framed(spelt_abroad(rng, wording)), "phone, abroad", "phone")
        bare = rng.choice((mobile, landline))(rng)
        yield case(rng.choice(CALLED[wording]).format(f"«{bare}»"), "phone, nine digits and a word", "phone")
        yield case(bare, "phone, nine digits alone", "phone")
        beside = rng.choice(BESIDE[wording]).format(f"«{bare}»")
        yield case(beside, "phone, nine digits beside a product", "phone")
        yield case(framed(spelt_card(rng, wording)), "card", "card")
        yield case(framed(spelt_pesel(rng, wording)), "pesel", "pesel")
        yield case(framed(spelt_nip(rng, wording)), "nip", "nip")
        yield case(framed(spelt_account(rng, wording)), "iban", "iban")
        place, family = spelt_address(rng, wording)
        yield case(framed(place), family, "address")


def ordinary(count: int, seed: int) -> list[Case]:
    """Queries of the simulated shop."""
    made = texts(seed, asked(seed, np.arange(count), 50_000, DAY, pool=count))
    return [Case(str(text), "ordinary") for text in made]


def hard(wording: str, each: int, seed: int = 7) -> Iterator[Case]:
    """`each` product queries of every family that looks like personal data."""
    rng = random.Random(f"hard {wording} {seed}")
    for family, makers in FAMILIES[wording].items():
        for _ in range(each):
            text = rng.choice(makers)(rng)
            yield Case(text if rng.random() < 0.5 else text.lower(), family)
