"""Cleaning of texts, JSON and ids in Arrow batches."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jobs.platform.spark_udfs import clean_ids, clean_json_texts, clean_queries, clean_texts, clean_values


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        (" \u00a012\u200b\t", "12"),
        ("1.0", "1"),
        ("1.0000000001E10", "10000000001"),  # a float as Spark writes it
        ("1.2345678901e+10", "12345678901"),  # as Arrow writes it
        ('["a1"]', "a1"),
        ('{"$oid": "65b9"}', "65b9"),  # as MongoDB exports it
        ("9.007199254740992E15", "9007199254740992"),
        # above 2^53 a float stands for several ids, and Excel rounds from twelve digits on
        ("1.2345678901234568e+18", "1.2345678901234568e+18"),
        ("1.23457E+12", "1.23457E+12"),
        ("007", "007"),
        ("1.50", "1.50"),
        ("1E5", "1E5"),  # an article number
        ("1.5E0", "1.5E0"),
        ("a b", "a b"),
        (None, None),
    ],
)
def test_ids(delivered: str | None, expected: str | None) -> None:
    assert clean_ids(pa.array([delivered, "x"], pa.string())).to_pylist() == [expected, "x"]
    assert clean_ids(pa.array([delivered], pa.string())).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        ('["Lamp"]', "Lamp"),
        ('["Lamp", "Lampa"]', "Lamp"),
        ('{"en": "Lamp"}', "Lamp"),
        ("[5.99]", "5.99"),
        ('{"en":"Lamp","pl":"Lampa"}', '{"en":"Lamp","pl":"Lampa"}'),
        ("[Sale] Lamp", "[Sale] Lamp"),
        ("NaN", ""),
        (" #N/A", ""),
        ("Nan mug", "Nan mug"),
        ("<b>Lamp</b><br/>blue", "Lamp blue"),
        ("&lt;p class=&quot;x&quot;&gt;Lamp", "Lamp"),
        ("2 < 3 > 1 <new>", "2 < 3 > 1 <new>"),
        (None, None),
    ],
)
def test_a_field_of_one_text(delivered: str | None, expected: str | None) -> None:
    assert clean_values(pa.array([delivered, "x"], pa.string())).to_pylist() == [expected, "x"]


def test_texts_of_json_are_cleaned_one_by_one() -> None:
    delivered = [
        '{"a": "5&quot; x"}',
        "{'a': None, 'b': (1, \"Levi's\"), 'c': nan}",
        '{"html": "<p>Soft</p>", "size": "nan"}',
        '"{\\"a\\": 1}"',
        "None",
        "[Sale] &gt; x",
        "{'a': f(1)}",
        None,
        "[]",
    ]
    assert clean_json_texts(pa.array(delivered)).to_pylist() == [
        '{"a": "5\\" x"}',
        '{"a": null, "b": [1, "Levi\'s"], "c": null}',
        '{"html": "Soft", "size": ""}',
        '{"a": 1}',
        "",
        "[Sale] > x",
        "{'a': f(1)}",
        None,
        "[]",
    ]
    assert clean_texts(pa.array(["a", None, "b&amp;c "])).to_pylist() == ["a", None, "b&c"]


def test_an_encoded_address_is_masked() -> None:
    hidden = ["jan.kowalski&#64;example.com", "jan.kowalski\ufe0f@\u034fexample.com", "h&amp;m"]
    assert clean_queries(pa.array(hidden)).to_pylist() == ["<personal>", "<personal>", "h&m"]
