"""Profile of raw records: field names, JSON types and shares; actions, timestamp forms, lowest ordinal.

A manifest keeps the profile for months, longer than typed text may be kept. So it holds names and shares, never values.
A name that is not an identifier, or that very few records have, may be typed text: it is counted as `other`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from jobs.ingest.record_forms import is_usual, read_records
from jobs.ingest.ubi import ACTION_NAMES

Record = Mapping[str, Any]
Profile = dict[str, Any]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}", re.ASCII)
LEAST_FRAC = 0.001
LEAST_ORDINAL_FRAC = 0.05  # of the most frequent ordinal's lines
MAX_FIELDS, MAX_APPLICATIONS, MAX_DEPTH = 80, 12, 4
OTHER = "other"
# kind of a record without its query text or its query_id -> kind that it would be of
INCOMPLETE = {"listing": "search", "impression of no search": "impression", "act of no search": "act"}
ISO = re.compile(
    r"\d{4}(?P<mark>[-/])\d\d?(?P=mark)\d\d?[T ]\d\d?:\d\d(:\d\d([.,]\d+)?)?"
    r"(?P<zone>[Zz]| ?(UTC|GMT)?[+-]\d\d?:?(\d\d)?| ?[A-Za-z/_]+)?(\[[A-Za-z/_]+\])?"
)
DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}


def parsed(lines: Iterable[bytes]) -> Iterator[Record]:
    """Parse the records in some lines of a file; skip bulk action lines and unreadable lines."""
    for line in lines:
        start = line.find(b"{", 0, 200)
        if start < 0:
            continue
        try:
            records = [json.loads(line[start:])]
        except (ValueError, RecursionError):
            records = []
        if not records or not is_usual(records[0]):
            records = read_records(line.decode("utf-8", "replace"))
        yield from (record for record in records if not (len(record) == 1 and record.keys() & {"index", "create"}))


def log_profile(records: Iterable[Record]) -> Profile:
    """Profile UBI records by application and kind: search, impression, act, other, and the kinds of INCOMPLETE.

    A listing is a page without a query text. Listings and events of no search are common, and no damage by themselves.
    """
    return _profile(records, _kind_of_record, is_log=True)


def items_profile(records: Iterable[Record]) -> Profile:
    """Profile catalogue rows: one kind of record, top-level columns only."""
    return _profile(records, lambda _: ("", "item"), is_log=False)


def _profile(records: Iterable[Record], group: Callable[[Record], tuple[str, str]], is_log: bool) -> Profile:
    counts = _RecordCounts()
    for record in records:
        application, kind = group(record)
        counts.records[application][kind] += 1
        for path, name in _fields(record, depth=1 if is_log else MAX_DEPTH):
            counts.fields[application][kind][path][name] += 1
        if is_log:
            counts.count_action(application, record)
    return counts.profile()


class _RecordCounts:
    """Counts over the records seen so far."""

    def __init__(self) -> None:
        # application -> kind of record -> number; then -> path -> JSON type -> number
        self.records: dict[str, Counter[str]] = defaultdict(Counter)
        self.fields: dict[str, dict[str, dict[str, Counter[str]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(Counter))
        )
        self.actions: dict[str, Counter[str]] = defaultdict(Counter)
        self.forms: dict[str, Counter[str]] = defaultdict(Counter)
        self.ordinals: dict[str, Counter[int]] = defaultdict(Counter)  # of impressions

    def count_action(self, application: str, record: Record) -> None:
        """Count the action, the timestamp form and the ordinal of a log record."""
        action = record.get("action_name")
        if action is not None:
            self.actions[application][kept_name(action)] += 1
        if record.get("timestamp") is not None:
            self.forms[application][timestamp_form(record["timestamp"])] += 1
        if _action(record) == "impression" and (ordinal := _ordinal(record)) is not None:
            self.ordinals[application][ordinal] += 1

    def profile(self) -> Profile:
        """Shares of every group, small ones included: the comparison checks the record counts."""
        sizes = Counter({name: kinds.total() for name, kinds in self.records.items()})
        least = LEAST_FRAC * sizes.total()
        common = sorted(name for name, size in sizes.most_common(MAX_APPLICATIONS) if size >= least)
        return {
            "records": {name: dict(sorted(self.records[name].items())) for name in common},
            "fields": {
                name: {
                    kind: _shares(fields, self.records[name][kind])
                    for kind, fields in sorted(self.fields[name].items())
                }
                for name in common
            },
            "actions": {name: _common(self.actions[name], sizes[name]) for name in common if name in self.actions},
            "timestamps": {name: _common(self.forms[name], sizes[name]) for name in common if name in self.forms},
            "lowest_ordinal": {name: _lowest(self.ordinals[name]) for name in common if name in self.ordinals},
        }


def _shares(fields: dict[str, Counter[str]], records: int) -> dict[str, dict[str, float]]:
    """path -> type -> share of the records of a kind."""
    frequent = sorted(fields.items(), key=lambda field: (-field[1].total(), field[0]))[:MAX_FIELDS]
    return {
        path: {name: round(number / records, 4) for name, number in sorted(types.items())}
        for path, types in sorted(frequent)
        if types.total() >= LEAST_FRAC * records
    }


def _lowest(ordinals: Counter[int]) -> int:
    """Lowest ordinal that is no stray: a few lines with a lower one do not move it."""
    usual = LEAST_ORDINAL_FRAC * max(ordinals.values())
    return min(ordinal for ordinal, number in ordinals.items() if number >= usual)


def _common(names: Counter[str], records: int) -> dict[str, float]:
    """name -> share of an application's records; rare names are added up as `other`."""
    kept = {name: n for name, n in names.items() if n >= LEAST_FRAC * records and name != OTHER}
    if rest := names.total() - sum(kept.values()):
        kept[OTHER] = rest
    return {name: round(number / records, 4) for name, number in sorted(kept.items())}


def _kind_of_record(record: Record) -> tuple[str, str]:
    return kept_name(record.get("application") or ""), _kind(record)


def _kind(record: Record) -> str:
    if record.get("action_name") is None:
        is_listing = record.get("user_query") is None and record.get("event_attributes") is None
        return "listing" if is_listing and record.get("query_id") is not None else "search"
    action = _action(record)
    if action is None:
        return OTHER
    kind = action if action == "impression" else "act"
    return kind if record.get("query_id") else f"{kind} of no search"


def _action(record: Record) -> str | None:
    return ACTION_NAMES.get(str(record.get("action_name")).strip().lower())


def kept_name(value: Any) -> str:
    """The name if it may be kept, else `other`."""
    text = str(value)
    return text if not text or IDENTIFIER.fullmatch(text) else OTHER


def _ordinal(record: Record) -> int | None:
    value: Any = record
    for key in ("event_attributes", "position", "ordinal"):
        value = value.get(key) if isinstance(value, Mapping) else None
    try:
        ordinal = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return ordinal if 0 <= ordinal < 10_000 else None


def _fields(record: Record, depth: int, above: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON type) of every field that is not null."""
    for key, value in record.items():
        if value is None:
            continue
        path = above + kept_name(key)
        yield path, json_type(value)
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _fields(value, depth + 1, f"{path}.")


def json_type(value: Any) -> str:
    """JSON type of a value, or one of two types that only Parquet has."""
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
    """Format of a timestamp, as a name that does not reveal the time."""
    if isinstance(value, date):
        return "timestamp"
    text = str(value)
    if whole := re.fullmatch(r"(\d+)(\.\d+)?", text, re.ASCII):
        return DIGITS.get(len(whole[1]), OTHER)
    iso = ISO.fullmatch(text)
    if iso is None:
        return OTHER
    return {"Z": "iso_utc", "z": "iso_utc", None: "iso_without_zone"}.get(iso["zone"], "iso_with_offset")
