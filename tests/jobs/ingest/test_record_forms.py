"""Other forms of records: each comes out as the usual one; what is no record stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest.profile import parsed
from jobs.ingest.record_forms import FURTHER_ITEM, is_usual, read_records, usual_lines
from jobs.ingest.sample import cut_off
from tests.jobs.ingest.ubi_records import act, search

SEARCH, CLICK = search("s1"), act("click", "s1", "a", 1)


def items(records: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    attributes = [record["event_attributes"] for record in records]
    return [(one["object"]["object_id"], one["position"]["ordinal"]) for one in attributes]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(SEARCH) + json.dumps(CLICK),
        json.dumps(SEARCH) + " \t" + json.dumps(CLICK) + " ",
        json.dumps([SEARCH, CLICK]),
        json.dumps(SEARCH) + ", " + json.dumps(CLICK) + ",",
        "\ufeff[" + json.dumps(SEARCH) + "," + json.dumps(CLICK),
        json.dumps({"_index": "ubi", "_source": SEARCH}) + json.dumps({"_id": "7", "_source": CLICK}),
        "index\t" + json.dumps(SEARCH) + "index\t" + json.dumps(CLICK),
        json.dumps({"@timestamp": "t", "message": json.dumps(SEARCH), "host": {"name": "h"}})
        + json.dumps({"log": json.dumps(CLICK) + "\n", "stream": "stdout"}),
        json.dumps({"timestamp": "t", "payload": SEARCH, "schema": {"type": "struct"}}) + json.dumps({"data": CLICK}),
        json.dumps(json.dumps(SEARCH)) + "," + json.dumps(json.dumps(CLICK)),
    ],
    ids=[
        *("joined", "blanks", "array", "commas", "open array", "elasticdump", "named"),
        *("logstash, docker", "kafka, cloudevents", "encoded twice"),
    ],
)
def test_several_records_on_a_line(line: str) -> None:
    assert read_records(line) == [SEARCH, CLICK]
    assert list(parsed([line.encode()])) == [SEARCH, CLICK]
    assert not cut_off(line.encode())


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"object": {"object_id": ["a"]}, "position": {"ordinal": 3}}, [("a", 3)]),
        ({"object": {"object_id": ["a", "b"]}}, [("a", None), ("b", None)]),
        ({"object": [{"object_id": "a"}, {"object_id": 7}]}, [("a", None), ("7", None)]),
        ({"object": "a", "position": 2}, [("a", 2)]),
        ({"object": '{"object_id": "a"}', "position": '{"ordinal": 2}'}, [("a", 2)]),
        ({"object": {"object_id": ["a", "b"]}, "position": [{"ordinal": 4}, {"ordinal": 5}]}, [("a", 4), ("b", 5)]),
        ({"object": {"object_id": "[a] half"}}, [("[a] half", None)]),
        ('{"object": {"object_id": 10000000001.0}, "position": {"ordinal": 1}}', [("10000000001.0", 1)]),
    ],
)
def test_items_and_places(attributes: Any, found: list[tuple[Any, Any]]) -> None:
    records = read_records(json.dumps({**CLICK, "event_attributes": attributes}))
    assert items(records) == found
    # a record is counted once
    assert [FURTHER_ITEM in record for record in records] == [number > 0 for number in range(len(found))]
    assert all(is_usual(record) for record in records)


@pytest.mark.parametrize(
    ("hits", "found"),
    [("a", ["a"]), ('["a", "b"]', ["a", "b"]), (7, ["7"]), ([{"object_id": "a"}, "b"], ["a", "b"]), ([], [])],
)
def test_hits(hits: Any, found: list[str]) -> None:
    (record,) = read_records(json.dumps({**SEARCH, "query_response_hit_ids": hits}))
    assert record["query_response_hit_ids"] == found


@pytest.mark.parametrize(
    "line", ["", "{", "[1, 2]", '{"a": 1}{"b"', '{"a": 1} and more', "null", '"text"', "[" * 100_000]
)
def test_what_is_no_record_stays(line: str) -> None:
    assert read_records(line) == []
    assert usual_lines(pa.array([line])).to_pylist() == [[line]]


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())), min_size=1))
def test_any_objects_on_one_line(records: list[dict[str, Any]]) -> None:
    records = [{**record, "_source": 1} for record in records]  # a wrapper holds an object
    line = "".join(json.dumps(record, ensure_ascii=False) for record in records)
    assert read_records(line) == records


def test_a_record_that_python_printed() -> None:
    record = {**SEARCH, "client_id": None, "new": True}
    assert read_records(repr(record)) == [record]
    assert not cut_off(repr(record).encode())
    assert read_records("{'timestamp': datetime.datetime(2026, 1, 31)}") == []


def test_what_holds_two_records_or_none_stays_as_it_is() -> None:
    both = {"before": SEARCH, "after": CLICK}
    assert read_records(json.dumps(both)) == [both]
    item = {"item_id": "1", "attributes": {"timestamp": "t", "colour": "red"}}
    assert is_usual(item)
    assert read_records(json.dumps(item)) == [item]
