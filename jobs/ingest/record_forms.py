"""Other forms of UBI records, rewritten to the form that Spark's reader knows.

Exports wrap records in `_source` (elasticdump) or in a field of the log shipper (`message`, `log`, `payload`), encode
them twice, put several on one line (Firehose), write them as one array or as Python prints them, keep nested objects as
JSON text (a warehouse's UNLOAD), or name several items in one purchase. Only lines that the reader could not use come
here, so this module may be slow; the sample that `inspect` profiles goes through it too.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pyarrow as pa

Record = dict[str, Any]
# fields of a record that are lists of texts
LIST_FIELDS = ("query_response_hit_ids", "query_response_object_ids")
# of a further item of a record that is counted already
FURTHER_ITEM = "_further_item"
# a byte order mark, `index<TAB>`, the brackets and commas of an array, white space between records
_BETWEEN = re.compile(r"(?:\ufeff|[\s,\[\]]|[\w.-]+\t)*")
# a record has one of these; around it there is none
_NAMES = frozenset({"query_id", "user_query", "action_name"})


def is_usual(record: Any) -> bool:
    """Whether a parsed line is a record in the usual form, with one item."""
    if not isinstance(record, Mapping) or _inside(record) is not record:
        return False
    attributes = record.get("event_attributes")
    item = attributes.get("object") if isinstance(attributes, Mapping) else attributes
    return (
        all(record.get(name) is None or isinstance(record[name], list) for name in LIST_FIELDS)
        and isinstance(attributes, Mapping | None)
        and isinstance(item, Mapping | None)
        and not (item and isinstance(item.get("object_id"), list | Mapping))
    )


def usual_lines(lines: pa.StringArray) -> pa.ListArray[Any]:
    """For each line, its records as JSON texts in the usual form; the line itself where it holds none."""
    given = cast(list[str], lines.to_pylist())
    texts = [[json.dumps(record, default=str) for record in read_records(line)] or [line] for line in given]
    return cast("pa.ListArray[Any]", pa.array(texts, pa.list_(pa.string())))


# Spark derives the kind of function from the annotations, and cannot resolve them as text
usual_lines.__annotations__ = {"lines": pa.Array, "return": pa.Array}


def read_records(line: str) -> list[Record]:
    """The records of a line in the usual form: one item each, nested objects as objects, hits as a list.

    A record of several items becomes one record an item; all but the first have FURTHER_ITEM. Empty if the line holds
    anything but whole JSON objects.
    """
    return [usual for record in _objects(line) for usual in usual_form(record)]


def _objects(line: str) -> list[Record]:
    """Every JSON object of the line, without its wrapper; empty if one of them cannot be read."""
    found: list[Record] = []
    # floats stay as they were typed: an id keeps all its digits
    decoder = json.JSONDecoder(parse_float=str)
    at = _after_separator(line, 0)
    while at < len(line):
        try:
            value, at = decoder.raw_decode(line, at)
        except (ValueError, RecursionError):
            return _printed(line)
        value = _from_text(value)
        if not isinstance(value, dict):
            return []
        found.append(dict(_inside(value)))
        at = _after_separator(line, at)
    return found


def _printed(line: str) -> list[Record]:
    """The record of a line that Python printed, `{'query_id': 'q', 'user_query': None}`."""
    try:
        value = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return []
    return [dict(_inside(value))] if isinstance(value, dict) else []


def _inside(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one record that a field of a shipper's or a search engine's record holds, as an object or as JSON text."""
    if _NAMES & value.keys():
        return value
    inner = [
        found for each in value.values() if (found := _object(each)) and "timestamp" in found and _NAMES & found.keys()
    ]
    return inner[0] if len(inner) == 1 else value


def _after_separator(line: str, at: int) -> int:
    separator = _BETWEEN.match(line, at)
    return separator.end() if separator else at


def usual_form(record: Record) -> Iterator[Record]:
    """The records of one parsed record, one item each."""
    record = {**record, **{name: _ids(record[name]) for name in LIST_FIELDS if record.get(name) is not None}}
    attributes = _object(record.get("event_attributes"))
    if attributes is None:
        yield record
        return
    items: list[str | None] = [*_ids(attributes.get("object"))] or [None]
    ordinals = _ordinals(attributes.get("position"))
    if len(ordinals) != len(items):
        ordinals = ordinals[:1] * len(items) or [None] * len(items)
    for number, (item, ordinal) in enumerate(zip(items, ordinals, strict=True)):
        one = {**attributes, "object": {"object_id": item}, "position": {"ordinal": ordinal}}
        yield {**record, "event_attributes": one, **({FURTHER_ITEM: "1"} if number else {})}


def _object(value: Any) -> Record | None:
    """An object, given as one or as its JSON text."""
    value = _from_text(value)
    return dict(value) if isinstance(value, Mapping) else None


def _from_text(value: Any) -> Any:
    """The value that a JSON text of an object or a list holds; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value, parse_float=str)
        except (ValueError, RecursionError):
            return value
    return value


def _ids(value: Any) -> list[str]:
    """Ids of one item or of a list of items, each a value or an object with `object_id`."""
    value = _from_text(value)
    if isinstance(value, Mapping):
        value = value.get("object_id")
        return _ids(value) if value is not None else []
    if isinstance(value, list | tuple):
        return [one for part in value for one in _ids(part)]
    return [] if value is None else [str(value)]


def _ordinals(value: Any) -> list[Any]:
    """Ordinals of a position, given as an object, a list or a plain value."""
    value = _from_text(value)
    if isinstance(value, Mapping):
        return _ordinals(value.get("ordinal"))
    if isinstance(value, list | tuple):
        return [one for part in value for one in _ordinals(part)]
    return [] if value is None else [value]
