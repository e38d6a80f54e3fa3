"""Personal data in queries: by hand, by published numbers, by properties, and on a labelled set."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.privacy import KINDS, SUSPECT, is_only_personal, kinds_in, mask_personal
from models.privacy.mask import _IS_HIDDEN, _as_normalised
from models.privacy.numbers import account_chars, nip, pesel
from models.text.normalise import normalise_query
from tests.models.privacy.personal_cases import FIRST, SECOND, THIRD, Case, hard, ordinary, personal
from tests.models.privacy.personal_score import false_frac, recall

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASKED = [
    ("kontakt jan.kowalski@wp.pl buty", "kontakt <email> buty"),
    ("jan (at) wp.pl", "<email>"),  # hidden from robots
    ("jan kropka nowak małpa wp kropka pl", "<email>"),
    ("Jan.Nowak @ GMAIL.COM", "<email>"),  # spaces round the sign
    ("jan@wp,pl", "<email>"),  # the comma is beside the dot
    ("jan@gmail", "<email>"),  # the end was left out
    ("600123456@wp.pl", "<email>"),  # not a phone number in a mail
    ("+48 600 123 456", "<phone>"),
    ("(+48) 600-123-456 buty 42", "<phone> buty 42"),
    ("0048600123456", "<phone>"),
    ("tel600123456", "tel<phone>"),
    ("tel.22 123 45 67", "tel.<phone>"),
    ("(22) 123-45-67", "<phone>"),
    ("buty 42 600 123 456", "buty 42 <phone>"),  # a size before it
    ("600 123 456 / 601 234 567", "<phone> / <phone>"),
    ("600123456", "<phone>"),  # nothing but a valid number: privacy first
    ("nr 600123456", "nr <phone>"),
    ("jan nowak 600123456 rower", "jan nowak <phone> rower"),  # a first name
    ("+1 (555) 123-4567", "<phone>"),
    ("0049 171 1234567", "<phone>"),
    ("4111 1111 1111 1111 12/27 123", "<card> 12/27 123"),  # expiry and code behind it
    ("378282246310005", "<card>"),
    ("pesel: 44051401359", "pesel: <pesel>"),
    ("pesel 440 514 013 59", "pesel <pesel>"),
    ("pesel 44051401358", "pesel <pesel>"),  # the word is there, one digit slipped
    ("NIP 123-456-32-18", "NIP <nip>"),
    ("pl1234563218", "<nip>"),
    (
        "PL7006847830 sukienka czerwona",
        "<nip> sukienka czerwona",
    ),  # with the words behind an IBAN's checksum, by chance
    ("faktura 1234563218", "faktura <nip>"),
    ("PL61 1090 1014 0000 0712 1981 2874 buty", "<iban> buty"),
    ("61109010140000071219812874", "<iban>"),  # Poles leave PL out
    ("de89370400440532013000", "<iban>"),
    ("gb82west12345698765432", "<iban>"),  # the example of ISO 13616
    ("ul. Kwiatowa 5/3, 00-950 Warszawa", "<address>, <address>"),
    ("kod 00-950.", "kod <address>."),  # a mark behind the code
    ("ul jana pawła ii 5 m. 3 buty", "<address> buty"),
    ("ulica 3 Maja 12a", "<address>"),
    ("al. Jerozolimskie 65/79", "<address>"),
    ("os. bohaterów września 12 m 45", "<address>"),
    ("pl wolności 5", "<address>"),
    ("kwiatowa 5 m 3, 05-500 piaseczno", "<address>"),  # no word for a street, but a code and a town
    ("Musterstraße 12", "<address>"),
    ("ＴＥＬ ６００１２３４５６", "ＴＥＬ <phone>"),  # full width
    ("600\u200b123\u00a0456", "<phone>"),  # zero width and no-break spaces
]

KEPT = [
    "5901825494157 5904214756300",  # two articles are none either
    "ulica krokodyli schulz 2005",  # a book and its year
    "dysk 512 560 530 mb/s",
    "zmywarka 578 845 530",
    "5901234123457",
    "ean 4006381333931",
    "96385074",
    "978-83-246-1234-5",
    "9788324612345",
    "600 300 200 mm",
    "szafa 123 456 789 mm",
    "szafka 600 300 200",
    "120 200 cm",
    "100x200x300",
    "iphone 12 128 256 512",
    "205 55 16",
    "225 45 17 94 w",
    "1234-567-890",
    "lego 75192",
    "4x40 200 szt",
    "led 5050 300 12",
    "cr2032",
    "03l 115 562",
    "6 204 7 535 876",
    "0 455 103 316",
    "a 204 820 15 64",
    "1920 1080 144",
    "din 912 iso 4762",
    "do 1500 zł",
    "01.02.2003",
    "1939 1945",
    "oem 600123456",
    "nr kat. 600 123 456",
    "filtr 600 123 456",
    "ab-600-123-456",
    "buty 600123456",
    "1234563218",  # a NIP's checksum alone: 1 in 11 part numbers has it
    "4111 1111 1111 1112",  # no card
    "gb83west12345698765432",  # no account
    "os przednia 35",
    "pl 21 karta",
    "profil al 40x20",
    "namiot 4 os. quechua 30",
    "ul wielkopolski 10 ramek",
    "plac zabaw 35",
    "ulica sezamkowa 3",
    "canon 24-105 nowy",
    "rękawice 10-100 rękawice",
    "hantle 20-100 kg",
    "intel i5 @ 3.40ghz",
    "koszulka @home",
    "pluszowa małpa 30 cm",
    "zestaw (a) m.in",
    "telefon samsung s24+ 256",
    "0048 600600",  # a country without a number behind it
]


@pytest.mark.parametrize(("typed", "expected"), MASKED)
def test_masked(typed: str, expected: str) -> None:
    assert mask_personal(typed) == expected
    assert mask_personal(normalise_query(typed)) == normalise_query(expected)
    assert re.search(SUSPECT, typed)
    assert re.search(SUSPECT, normalise_query(typed))


@pytest.mark.parametrize("typed", KEPT)
def test_kept(typed: str) -> None:
    assert mask_personal(typed) == typed
    assert kinds_in(typed) == ()


def test_checksums_of_published_numbers() -> None:
    """By hand: 1*6+2*5+3*7+4*2+5*3+6*4+3*5+2*6+1*7 = 118 = 10*11+8, so a NIP 123456321 ends in 8."""
    assert nip("1234563218")
    # 4*1+4*3+0*7+5*9+1*1+4*3+0*7+1*9+3*1+5*3 = 101, 9 to the next ten
    assert pesel("44051401359")
    assert not any((nip("1234563219"), pesel("44051401358")))


def test_an_account_has_the_length_of_its_country() -> None:
    """ISO 13616: PL61 1090 1014 0000 0712 1981 2874 and GB82 WEST 1234 5698 7654 32 are its examples."""
    assert [account_chars(country) for country in ("pl", "gb", "no", "xx")] == [28, 22, 15, 0]


def test_a_pesel_has_a_birthday() -> None:
    """29 February in 2000 and 1996, not in 1900 or 1997; months are 20 up for those born after 1999."""
    for born, valid in (
        ("002229", True),
        ("960229", True),
        ("000229", False),
        ("970229", False),
        ("001332", False),
        ("444405", False),
    ):
        body = f"{born}0135"
        weighted = sum(int(figure) * weight for figure, weight in zip(body, (1, 3, 7, 9) * 3, strict=False))
        assert pesel(f"{body}{-weighted % 10}") is valid, born


def test_kinds_and_what_is_left() -> None:
    typed = "jan@wp.pl tel 600 123 456"
    assert kinds_in(typed) == kinds_in(mask_personal(typed)) == ("email", "phone")
    assert not is_only_personal(mask_personal(typed))
    assert is_only_personal("<email>, <phone>.")
    assert not is_only_personal("...")
    assert not is_only_personal("")


def test_placeholders_survive_normalisation_and_a_second_masking() -> None:
    text = " ".join(f"<{kind}>" for kind in KINDS)
    assert normalise_query(text) == mask_personal(text) == text


BITS = st.one_of(
    st.sampled_from(
        [
            *" -./()+@,:",
            "  ",
            "x",
            "ul. ",
            " os ",
            "pl",
            "tel ",
            "(at)",
            " małpa ",
            "wp",
            ".pl",
            " com",
            "kod ",
            "\u200b",
            "２",
            "²",
        ]
    ),
    st.sampled_from(
        [
            "600",
            "123",
            "48",
            "0048",
            "+48 ",
            "22",
            "4111",
            "1111",
            "00-950",
            "warszawa",
            "Kwiatowa ",
            "m. ",
            "nip ",
            "str.",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.integers(0, 10**12).map(str),
)
TYPED = st.lists(BITS, max_size=14).map("".join)


def suspected(texts: list[str]) -> list[bool]:
    """Texts that Arrow's RE2 lets through."""
    found: list[bool] = pc.match_substring_regex(pa.array(texts, pa.string()), SUSPECT).to_pylist()
    return found


@settings(max_examples=600, deadline=None)
@given(TYPED)
def test_idempotent_and_never_missed_by_the_filter(text: str) -> None:
    masked = mask_personal(text)
    assert mask_personal(masked) == masked
    if masked != text:
        assert suspected([text]) == [True]
        assert re.search(SUSPECT, text)


def test_every_character_that_normalisation_changes_is_read_slowly() -> None:
    """The filter and the short way know by one class which characters hide a figure, a letter or a space."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if not _IS_HIDDEN.search(char):
            assert len(char.lower()) == 1, hex(code)
            made = _as_normalised(char)
            changed = made != char.lower() and any(one.isascii() for one in made)
            assert not changed, hex(code)


@pytest.fixture(scope="module", params=[FIRST, SECOND, THIRD])
def cases(request: pytest.FixtureRequest) -> list[Case]:
    wording: str = request.param
    return [*personal(wording, 250), *hard(wording, 100), *ordinary(700, 7)]


def test_the_labelled_set_is_found(cases: list[Case]) -> None:
    found = recall(cases)
    assert sum(one.n for one in found.values()) >= 2_000
    for family in (
        "email",
        "card",
        "pesel",
        "nip",
        "iban",
        "phone, +48",
        "phone, grouped",
        "phone, abroad",
        "phone, nine digits alone",
    ):
        assert found[family].frac >= 0.985, family  # one in 250 by chance: a Visa of 13 digits that is an EAN as well
    assert found["phone, nine digits and a word"].frac >= 0.9
    addresses = [one for family, one in found.items() if family.startswith("address")]
    assert sum(one.hits for one in addresses) >= 0.9 * sum(one.n for one in addresses)
    # the price of the part numbers that are kept: nine digits in one block beside a product
    assert found["phone, nine digits beside a product"].hits == 0


def test_product_queries_stay(cases: list[Case]) -> None:
    found = false_frac(cases)
    some = [one for family, one in found.items() if family != "ordinary"]
    assert sum(one.n for one in some) >= 1_500
    assert sum(one.hits for one in some) <= 0.01 * sum(one.n for one in some)
    assert max(one.frac for one in some) <= 0.05
    assert found["ordinary"].hits == 0


def test_the_whole_first_set_holds_its_thresholds() -> None:
    found = recall(personal(FIRST, 600))
    for family in ("email", "card", "pesel", "nip", "iban", "phone, +48", "phone, grouped", "phone, abroad"):
        assert found[family].frac >= 0.99, family
    kept = false_frac(hard(FIRST, 260)).values()
    assert sum(one.n for one in kept) >= 4_000
    assert sum(one.hits for one in kept) <= 0.01 * sum(one.n for one in kept)


@pytest.mark.spark
def test_java_reads_the_filter_as_python_does(spark: SparkSession, cases: list[Case]) -> None:
    texts = [*(case.text for case in cases[::5]), "ＴＥＬ ６００", "ŻÓŁTY ul. Ł 5", "🙂 jan (at) x", "a\u200bb", "×²"]
    frame = spark.createDataFrame([(text,) for text in texts], "typed STRING")
    found = [bool(row[0]) for row in frame.select(frame.typed.rlike(SUSPECT)).collect()]
    assert found == [bool(re.search(SUSPECT, text)) for text in texts]


def test_typed_and_normalised_are_masked_alike(cases: list[Case]) -> None:
    for case in cases:
        plain = normalise_query(case.text)
        assert normalise_query(mask_personal(case.text)) == mask_personal(plain), case.text


def test_the_filter_misses_nothing_and_spares_the_ordinary(cases: list[Case]) -> None:
    let_through = suspected([case.text for case in cases])
    for case, suspect in zip(cases, let_through, strict=True):
        assert suspect or mask_personal(case.text) == case.text
        assert suspect == bool(re.search(SUSPECT, case.text))
    usual = [suspect for case, suspect in zip(cases, let_through, strict=True) if case.family == "ordinary"]
    assert sum(usual) < 0.05 * len(usual)


@pytest.mark.parametrize(
    "bit", ["1 ", "600123456 ", "a@", "ul. a ", "a kropka ", "1-", "a.b ", "jan at ", "ul. a.", "\u200b1"]
)
def test_hostile_texts_take_no_time(bit: str) -> None:
    """20,000 characters; a rule that looks at every start again would take minutes."""
    text = bit * (20_000 // len(bit))
    started = time.process_time()
    mask_personal(text)
    re.search(SUSPECT, text)
    assert time.process_time() - started < 6
