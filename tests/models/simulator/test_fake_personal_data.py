"""Invented personal data: of the right shape, with check digits that are right, of nobody."""

import re
from datetime import date

import numpy as np
import pytest

from models.simulator.fake_personal_data import KINDS, distinct, fake_personal_data, luhn

EXAMPLES = ("example.pl", "example.com", "example.org", ".example")
COUNT = 20_000


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    kinds, made = fake_personal_data(COUNT, np.random.default_rng(5))
    return {kind: made[kinds == number].tolist() for number, kind in enumerate(KINDS)}


def digits(text: str) -> list[int]:
    return [int(digit) for digit in re.sub(r"\D", "", text)]


def test_every_kind_is_there_and_no_text_twice(texts: dict[str, list[str]]) -> None:
    for found in texts.values():
        assert len(found) == pytest.approx(COUNT / 5, rel=0.1)
        assert len(set(found)) == len(found)
        assert not any({'"', "\\"} & set(text) for text in found)  # safe in JSON as it stands


def test_mail_addresses_are_of_example_domains(texts: dict[str, list[str]]) -> None:
    for text in texts["email"]:
        assert re.fullmatch(r"[a-z]+[._-]?[a-z]+\d{6}@[a-z.]+", text)
        assert text.endswith(EXAMPLES)


def test_phones_are_polish_mobiles_in_many_spellings(texts: dict[str, list[str]]) -> None:
    for text in texts["phone"]:
        found = digits(text)
        assert len(found) == {"+": 11, "0": 13}.get(text[0], 9)
        assert 10 * found[-9] + found[-8] in {50, 51, 53, 57, 60, 66, 69, 72, 73, 78, 79, 88}
    assert len({re.sub(r"\d", "9", text) for text in texts["phone"]}) > 10


def test_a_pesel_adds_up_and_is_nobody_s_yet(texts: dict[str, list[str]]) -> None:
    for text in texts["pesel"]:
        found = digits(text)
        assert len(found) == 11
        weighted = sum(a * b for a, b in zip(found, (1, 3, 7, 9) * 2 + (1, 3, 1), strict=True))
        assert weighted % 10 == 0
        year, month, day = (10 * found[i] + found[i + 1] for i in (0, 2, 4))
        assert date(2000 + year, month - 20, day) > date(2030, 12, 31)


def test_card_numbers_pass_luhn_s_test(texts: dict[str, list[str]]) -> None:
    for text in texts["card"]:
        found = digits(text)
        assert len(found) == 16
        doubled = [2 * digit for digit in found[-2::-2]]
        assert (sum(found[-1::-2]) + sum(n // 10 + n % 10 for n in doubled)) % 10 == 0


def test_luhn_by_hand() -> None:
    # 7992739871: 7 + 9*2 -> 9 ... the textbook's check digit is 3
    assert luhn(np.array([[7, 9, 9, 2, 7, 3, 9, 8, 7, 1]])).tolist() == [3]


def test_addresses_look_like_addresses(texts: dict[str, list[str]]) -> None:
    shape = r"(ul\.|ulica|al\.|os\.) \w+ \d+(/| m\. )\d+, \d\d-\d{3} [\w ]+"
    assert all(re.fullmatch(shape, text) for text in texts["address"])


@pytest.mark.parametrize("limit", [100, 1_000, 20_000])
def test_distinct_numbers_meet_each_number_once(limit: int) -> None:
    made = distinct(limit, limit, np.random.default_rng(1))
    assert sorted(made.tolist()) == list(range(limit))
    assert (np.diff(made[: limit // 2]) != 1).all()
