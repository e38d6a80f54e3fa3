"""Cleaning of texts, JSON and ids in Arrow batches."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jobs.platform.spark_udfs import clean_ids, clean_json_texts, clean_queries, clean_texts


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        (" \u00a012\u200b\t", "12"),
        ("1.0", "1"),
        ("1.0000000001E10", "10000000001"),  # a float as Spark writes it
        ("1.2345678901e+10", "12345678901"),  # as Arrow writes it
        ('["a1"]', "a1"),
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


def test_texts_of_json_are_cleaned_one_by_one() -> None:
    delivered = [
        '{"a": "5&quot; x"}',
        "{'a': None, 'b': (1, \"Levi's\"), 'c': nan}",
        "[Sale] &gt; x",
        "{'a': f(1)}",
        None,
        "[]",
    ]
    assert clean_json_texts(pa.array(delivered)).to_pylist() == [
        '{"a": "5\\" x"}',
        '{"a": null, "b": [1, "Levi\'s"], "c": null}',
        "[Sale] > x",
        "{'a': f(1)}",
        None,
        "[]",
    ]
    assert clean_texts(pa.array(["a", None, "b&amp;c "])).to_pylist() == ["a", None, "b&c"]


def test_an_encoded_address_is_masked() -> None:
    hidden = ["jan.kowalski&#64;example.com", "jan.kowalski\ufe0f@\u034fexample.com", "h&amp;m"]
    assert clean_queries(pa.array(hidden)).to_pylist() == ["<personal>", "<personal>", "h&m"]
