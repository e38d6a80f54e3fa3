"""What raw records look like: names of fields, their JSON types, how often; actions, form of the timestamps, lowest place.

A profile stands in a manifest for months, longer than what people typed may: it holds names and shares, never a value.
A name that is no identifier, or that hardly any record has, may be something that somebody typed, and is `other`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

Record = Mapping[str, Any]
Profile = dict[str, Any]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}", re.ASCII)
LEAST_FRAC = 0.001
MAX_FIELDS, MAX_APPLICATIONS, MAX_DEPTH = 80, 12, 4
OTHER = "other"
# the names that sql/log_lines.sql knows the four acts by
ACTS = {
    "impression": "impression",
    "click": "click",
    "click_through": "click",
    "item_click": "click",
    "add_to_cart": "cart",
    "cart": "cart",
    "purchase": "purchase",
}
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?")
DIGITS = {13: "epoch_ms", 10: "epoch_s"}


def parsed(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records among some lines of a file; a bulk action line is none, what cannot be read is passed over."""
    for line in lines:
        start = line.find(b"{", 0, 200)
        if start < 0:
            continue
        try:
            found = json.loads(line[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and not (len(found) == 1 and ("index" in found or "create" in found)):
            yield found


def log_profile(records: Iterable[Record]) -> Profile:
    """The profile of UBI records, by application and kind: search, impression, act, other."""
    return _profile(records, _kind_of_record, is_log=True)


def items_profile(records: Iterable[Record]) -> Profile:
    """The profile of a catalogue: one kind of record, its columns alone."""
    return _profile(records, lambda _: ("", "item"), is_log=False)


def _profile(records: Iterable[Record], group: Callable[[Record], tuple[str, str]], is_log: bool) -> Profile:
    seen = _Seen()
    for record in records:
        application, kind = group(record)
        seen.records[application, kind] += 1
        for path, name in _fields(record, depth=1 if is_log else MAX_DEPTH):
            seen.fields[application, kind][path][name] += 1
        if is_log:
            seen.acts(application, record)
    return seen.profile()


class _Seen:
    """What was counted so far."""

    def __init__(self) -> None:
        self.records: Counter[tuple[str, str]] = Counter()
        self.fields: dict[tuple[str, str], dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self.actions: dict[str, Counter[str]] = defaultdict(Counter)
        self.forms: dict[str, Counter[str]] = defaultdict(Counter)
        self.lowest: dict[str, int] = {}

    def acts(self, application: str, record: Record) -> None:
        """Count the action, the form of the timestamp and the place of a record of the log."""
        action = record.get("action_name")
        if action is not None:
            self.actions[application][_name(action)] += 1
        if record.get("timestamp") is not None:
            self.forms[application][timestamp_form(record["timestamp"])] += 1
        if _act(record) == "impression" and (place := _ordinal(record)) is not None:
            self.lowest[application] = min(place, self.lowest.get(application, place))

    def profile(self) -> Profile:
        """Shares, those of small groups as well: who compares looks at the counts."""
        total = sum(self.records.values())
        by_size = Counter[str]()
        for (application, _), number in self.records.items():
            by_size[application] += number
        common = [one for one, n in by_size.most_common(MAX_APPLICATIONS) if n >= LEAST_FRAC * total]
        return {
            "records": {
                one: {kind: n for (whose, kind), n in sorted(self.records.items()) if whose == one}
                for one in sorted(common)
            },
            "fields": {
                one: {
                    kind: _shares(of, self.records[one, kind])
                    for (whose, kind), of in sorted(self.fields.items())
                    if whose == one
                }
                for one in sorted(common)
            },
            "actions": {one: _common(self.actions[one], by_size[one]) for one in sorted(common) if one in self.actions},
            "timestamps": {one: _common(self.forms[one], by_size[one]) for one in sorted(common) if one in self.forms},
            "lowest_ordinal": {one: self.lowest[one] for one in sorted(common) if one in self.lowest},
        }


def _shares(fields: dict[str, Counter[str]], records: int) -> dict[str, dict[str, float]]:
    """path -> type -> share of the records of a kind."""
    found = sorted(fields.items(), key=lambda one: (-one[1].total(), one[0]))[:MAX_FIELDS]
    return {
        path: {name: round(number / records, 4) for name, number in sorted(types.items())}
        for path, types in sorted(found)
        if types.total() >= LEAST_FRAC * records
    }


def _common(names: Counter[str], records: int) -> dict[str, float]:
    """name -> share of an application's records; the rare ones together."""
    kept = {name: n for name, n in names.items() if n >= LEAST_FRAC * records and name != OTHER}
    if rest := names.total() - sum(kept.values()):
        kept[OTHER] = rest
    return {name: round(number / records, 4) for name, number in sorted(kept.items())}


def _kind_of_record(record: Record) -> tuple[str, str]:
    if record.get("action_name") is None:
        return _name(record.get("application") or ""), "search"
    act = _act(record)
    kind = OTHER if act is None else act if act == "impression" else "act"
    return _name(record.get("application") or ""), kind


def _act(record: Record) -> str | None:
    return ACTS.get(str(record.get("action_name")).lower())


def _name(value: Any) -> str:
    """A name that may be kept, else `other`."""
    text = str(value)
    return text if not text or IDENTIFIER.fullmatch(text) else OTHER


def _ordinal(record: Record) -> int | None:
    found: Any = record
    for key in ("event_attributes", "position", "ordinal"):
        found = found.get(key) if isinstance(found, Mapping) else None
    try:
        place = int(found)
    except (TypeError, ValueError, OverflowError):
        return None
    return place if 0 <= place < 10_000 else None


def _fields(record: Record, depth: int, above: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON type) of every field that has a value; a null is none."""
    for key, value in record.items():
        if value is None:
            continue
        path = above + _name(key)
        yield path, json_type(value)
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _fields(value, depth + 1, f"{path}.")


def json_type(value: Any) -> str:
    """The JSON type of a value, and two that only Parquet has."""
    for kinds, name in _TYPES:
        if isinstance(value, kinds):
            return name
    return "number"


_TYPES: tuple[tuple[Any, str], ...] = (
    (str, "string"),
    (bool, "boolean"),
    (Mapping, "object"),
    ((list, tuple), "array"),
    (date, "timestamp"),
    ((bytes, bytearray), "binary"),
)


def timestamp_form(value: Any) -> str:
    """How a timestamp is written, in a word that says nothing of when."""
    if isinstance(value, date):
        return "timestamp"
    text = str(value)
    if re.fullmatch(r"\d+", text, re.ASCII):
        return DIGITS.get(len(text), OTHER)
    found = ISO.fullmatch(text)
    if found is None:
        return OTHER
    return {"Z": "iso_utc", None: "iso_without_zone"}.get(found["zone"], "iso_with_offset")
