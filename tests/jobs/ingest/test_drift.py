"""Schema drift: profiles by hand, one planted change of each kind, and no report on clean days."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from jobs.ingest.drift import SchemaChange, drift_facts, schema_changes
from jobs.ingest.drift_rules import CATALOGUE, LOG, RULES
from jobs.ingest.profile import Profile, items_profile, log_profile, parsed, timestamp_form

Record = dict[str, Any]
Change = Callable[[list[Record]], Any]


def day(seed: int, searches: int = 400) -> list[Record]:
    """Two applications; carts and purchases are as rare as they are, some fields are there at times."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    for number in range(searches):
        who = {
            "application": "web" if number % 4 else "app",
            "client_id": f"c{number}",
            "timestamp": "2026-01-31T10:00:00Z",
            "query_id": f"s{seed}_{number}",
        }
        optional = {"user_id": "u"} if rng.random() < 0.3 else {"user_id": None}
        records.append({**who, **optional, "user_query": "buty anny kowalskiej", "query_response_hit_ids": ["1"]})
        names = ["impression"] * 8 + ["click"] * bool(rng.random() < 0.6)
        names += ["add_to_cart"] * bool(rng.random() < 0.2) + ["view"] * bool(rng.random() < 0.4)
        for place, name in enumerate(names):
            attributes = {"object": {"object_id": f"i{place}"}, "position": {"ordinal": place}}
            records.append({**who, **optional, "action_name": name, "event_attributes": attributes})
    return records


def kinds(found: list[SchemaChange]) -> set[tuple[str, str]]:
    return {(one.kind, one.weight) for one in found}


EARLIER = [log_profile(day(seed)) for seed in (1, 2, 3)]


def changed(change: Change, share: float = 1.0) -> list[SchemaChange]:
    """Findings of a day of whose records the last share was changed."""
    records = copy.deepcopy(day(9))
    first = len(records) - round(share * len(records))
    change(records[first:])
    kept = [record for record in records if not record.get("gone")]
    return schema_changes(log_profile(kept), EARLIER, LOG)


def events(records: list[Record], name: str = "") -> list[Record]:
    return [one for one in records if one.get("action_name") and name in ("", one["action_name"])]


def each(records: list[Record], do: Callable[[Record], Any]) -> None:
    for record in records:
        do(record)


def rename(old: str, new: str) -> Callable[[Record], Any]:
    return lambda record: record.__setitem__(new, record.pop(old)) if old in record else None


CHANGES: dict[str, tuple[Change, set[tuple[str, str]]]] = {
    "a new field": (lambda rs: each(rs, lambda r: r.update(device="x")), {("new_field", "warn")}),
    "a field that is needed is gone": (
        lambda rs: each(rs, lambda r: r.pop("user_query", None)),
        {("missing_field", "stop")},
    ),
    "a field that is not needed is gone": (
        lambda rs: each(rs, lambda r: r.pop("user_id")),
        {("missing_field", "warn")},
    ),
    "an optional field is never filled any more": (
        lambda rs: each(rs, lambda r: r.update(user_id=None)),
        {("missing_field", "warn")},
    ),
    "a field that is needed has a new name": (
        lambda rs: each(rs, rename("user_query", "query_text")),
        {("renamed_field", "stop")},
    ),
    "one within others": (
        lambda rs: each(events(rs), lambda r: rename("ordinal", "rank")(r["event_attributes"]["position"])),
        # clicks can do without their place, impressions cannot
        {("renamed_field", "stop"), ("renamed_field", "warn")},
    ),
    "a new name that is read as well": (
        lambda rs: each(rs, rename("query_response_hit_ids", "query_response_object_ids")),
        {("renamed_field", "warn")},
    ),
    "a number for a text": (
        lambda rs: each(events(rs), lambda r: r["event_attributes"]["object"].update(object_id=7)),
        {("changed_type", "warn")},
    ),
    "a text for a list": (
        lambda rs: each(rs, lambda r: r.update(query_response_hit_ids="1,2") if "user_query" in r else None),
        {("changed_type", "stop")},
    ),
    "a text for an object": (
        lambda rs: each(events(rs), lambda r: r["event_attributes"].update(position="1")),
        {("changed_type", "stop"), ("missing_field", "stop"), ("missing_field", "warn")},
    ),
    "a type of a field that nobody reads": (
        lambda rs: each(rs, lambda r: r.update(user_id={"hash": "x"}) if r["user_id"] else None),
        {("changed_type", "warn"), ("new_field", "warn")},
    ),
    "an act is gone": (
        lambda rs: each(events(rs, "click"), lambda r: r.update(gone=True)),
        {("missing_action", "stop")},
    ),
    "an action that is no act is gone": (
        lambda rs: each(events(rs, "view"), lambda r: r.update(gone=True)),
        {("missing_action", "warn")},
    ),
    "an act has a new name": (
        lambda rs: each(events(rs, "click"), lambda r: r.update(action_name="item_tapped")),
        {("renamed_action", "stop")},
    ),
    "an act has another of its names": (
        lambda rs: each(events(rs, "click"), lambda r: r.update(action_name="click_through")),
        {("renamed_action", "warn")},
    ),
    "an action more": (
        lambda rs: rs.extend({**r, "action_name": "wishlist"} for r in events(rs, "click")),
        {("new_action", "warn")},
    ),
    "seconds": (
        lambda rs: each(rs, lambda r: r.update(timestamp=1769853600)),
        {("timestamp_form", "warn"), ("changed_type", "warn")},
    ),
    "milliseconds": (
        lambda rs: each(rs, lambda r: r.update(timestamp=1769853600000)),
        {("timestamp_form", "warn"), ("changed_type", "warn")},
    ),
    "no zone": (lambda rs: each(rs, lambda r: r.update(timestamp="2026-01-31 10:00:00")), {("timestamp_form", "warn")}),
    "day first": (lambda rs: each(rs, lambda r: r.update(timestamp="31.01.2026 10:00")), {("timestamp_form", "stop")}),
    "places from 1": (
        lambda rs: each(
            events(rs),
            lambda r: r["event_attributes"]["position"].update(
                ordinal=5 + r["event_attributes"]["position"]["ordinal"] - 4
            ),
        ),
        {("ordinal_base", "warn")},
    ),
    "places from 3": (
        lambda rs: each(
            events(rs),
            lambda r: r["event_attributes"]["position"].update(
                ordinal=3 + r["event_attributes"]["position"]["ordinal"]
            ),
        ),
        {("ordinal_base", "stop")},
    ),
    "an application more": (
        lambda rs: rs.extend({**r, "application": "kiosk"} for r in rs[:200]),
        {("new_application", "warn")},
    ),
    "an application less": (
        lambda rs: each(rs, lambda r: r.update(gone=True) if r["application"] == "app" else None),
        {("missing_application", "stop")},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_weighed(name: str) -> None:
    change, expected = CHANGES[name]
    if name in ("an action more", "an application more"):
        records = day(9)
        change(records)
        found = schema_changes(log_profile(records), EARLIER, LOG)
    else:
        found = changed(change)
    assert kinds(found) == expected, [one.text for one in found]
    assert all("anny" not in one.text for one in found)


def test_each_rule_of_the_table_is_met() -> None:
    assert set(RULES.values()) == {"stop", "warn"}
    met = {kind for _, expected in CHANGES.values() for kind, _ in expected}
    assert met == {kind for kind, _ in RULES}


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_a_change_in_the_middle_of_the_day_is_found(share: float) -> None:
    for change in (
        lambda rs: each(rs, rename("user_query", "query_text")),
        lambda rs: each(events(rs, "click"), lambda r: r.update(action_name="item_tapped")),
    ):
        found = changed(change, share)
        assert {("renamed_field", "stop"), ("renamed_action", "stop")} & kinds(found)


@pytest.mark.parametrize("seed", range(20, 36))
def test_a_clean_day_says_nothing(seed: int) -> None:
    """Sixteen days of the same shop, some of them small."""
    profile = log_profile(day(seed, searches=400 if seed % 2 else 60))
    assert schema_changes(profile, EARLIER, LOG) == []


def test_what_was_accepted_once_is_not_said_again() -> None:
    records = day(5)
    each(records, rename("user_query", "query_text"))
    new = log_profile(records)
    found = schema_changes(new, EARLIER, LOG)
    assert drift_facts(found, ["2026-01-30"], accepted=0)["stop"] > 0
    accepted = drift_facts(found, ["2026-01-30"], accepted=1)
    assert accepted["stop"] == 0 and accepted["warn"] == len(found)
    # the day after has an earlier day with the new name: neither it nor the loss of the old one is news
    assert schema_changes(new, [*EARLIER[1:], new], LOG) == []


def test_without_an_earlier_day_only_what_is_needed_is_looked_for() -> None:
    def found_in(records: list[Record]) -> list[SchemaChange]:
        return [
            one for one in schema_changes(log_profile(records), [], LOG) if "action view is not used" not in one.text
        ]

    assert found_in(day(1)) == []
    records = day(1)
    each(records, lambda r: r.update(device="x"))
    assert found_in(records) == []
    each(records, rename("query_id", "search"))
    each(records, lambda r: r.update(timestamp="noon"))
    found = found_in(records)
    assert kinds(found) == {("missing_field", "stop"), ("timestamp_form", "stop")}
    assert len([one for one in found if "query_id is in 0.0%" in one.text]) == 6


def test_a_profile_by_hand() -> None:
    records: list[Record] = [
        {"application": "web", "query_id": "1", "user_query": "a", "timestamp": "2026-01-31T10:00:00Z"},
        {"application": "web", "query_id": 2, "user_query": None, "timestamp": "2026-01-31T10:00:00Z"},
        {
            "application": "web",
            "action_name": "Impression",
            "timestamp": 1769853600000,
            "event_attributes": {"position": {"ordinal": "4"}, "jan kowalski": True},
        },
        {"action_name": "jan kowalski"},
    ]
    found = log_profile(records)
    assert found["records"] == {"": {"other": 1}, "web": {"impression of no search": 1, "listing": 1, "search": 1}}
    assert found["fields"]["web"]["search"] == {
        "application": {"string": 1.0},
        "query_id": {"string": 1.0},
        "timestamp": {"string": 1.0},
        "user_query": {"string": 1.0},
    }
    assert found["fields"]["web"]["listing"]["query_id"] == {"number": 1.0}
    assert found["fields"]["web"]["impression of no search"]["event_attributes.other"] == {"boolean": 1.0}
    assert found["actions"] == {"": {"other": 1.0}, "web": {"Impression": 0.3333}}
    assert found["timestamps"] == {"web": {"epoch_ms": 0.3333, "iso_utc": 0.6667}}
    assert found["lowest_ordinal"] == {"web": 4}


def test_a_few_lines_do_not_move_where_places_begin() -> None:
    def lowest(*ordinals: int) -> int:
        records = [
            {"application": "web", "action_name": "impression", "event_attributes": {"position": {"ordinal": ordinal}}}
            for ordinal in ordinals
        ]
        return log_profile(records)["lowest_ordinal"]["web"]  # type: ignore[no-any-return]

    assert lowest(*[1, 2, 3] * 50, 0) == 1
    assert lowest(*[1, 2, 3] * 50, *[0] * 3) == 0  # 6% of the most frequent: a part of the searches
    assert lowest(*[4, 5] * 50, 1, 2) == 4  # pages that lost their beginning are not hidden by two that have it


def test_a_profile_is_small_and_holds_no_value() -> None:
    """Keys, actions and applications that somebody typed into: a manifest stays for months."""
    records = [
        {
            **record,
            "application": f"app_{n % 5_000}",
            f"typed_{n}": "x",
            "query_attributes": {f"k{m}": "secret" for m in range(300)},
            "deep": json.loads('{"a":' * 50 + "1" + "}" * 50),
            "action_name": f"act_{n}",
        }
        for n, record in enumerate(day(1, 300))
    ]
    found: Profile = log_profile(records)
    assert len(json.dumps(found)) < 100_000
    text = json.dumps([found, log_profile(day(1))])
    for word in ("secret", "kowalskiej", "typed_", "act_7", "2026", "c17", "s1_"):
        assert word not in text


def test_lines_that_are_no_records_are_passed_over() -> None:
    lines = [
        b'{"index": {}}',
        b'{"create": {"_id": 1}}',
        b"",
        b"[1]",
        b'{"a": ',
        b"\xff{",
        b'index\t{"a": 1}',
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        b'\xef\xbb\xbf{"b": 1}',
        b'{"n": ' + b"9" * 5_000 + b"}",
    ]
    assert list(parsed(lines)) == [{"a": 1}, {"b": 1}]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-01-31T10:00:00Z", "iso_utc"),
        ("2026-01-31 10:00:00.123456+01:00", "iso_with_offset"),
        ("2026-01-31T10:00", "iso_without_zone"),
        ("2026/1/31 9:00:00,123", "iso_without_zone"),
        ("2026-01-31T10:00:00z", "iso_utc"),
        ("2026-01-31 10:00:00 GMT+1", "iso_with_offset"),
        ("2026-01-31T10:00:00+01:00[Europe/Warsaw]", "iso_with_offset"),
        (1769853600000, "epoch_ms"),
        ("1769853600000", "epoch_ms"),
        (1769853600, "epoch_s"),
        (1769853600.5, "epoch_s"),
        ("2026-01-31", "other"),
        ("10:00", "other"),
        (datetime(2026, 1, 31, tzinfo=UTC), "timestamp"),
        (None, "other"),
        ({"a": 1}, "other"),
    ],
)
def test_the_form_of_a_timestamp(value: Any, form: str) -> None:
    assert timestamp_form(value) == form


def test_a_catalogue() -> None:
    rows: list[Record] = [
        {"item_id": str(n), "title": "but", "price": "1.0", "attributes": {"colour": "red"}} for n in range(50)
    ]
    before = [items_profile(rows)]
    assert schema_changes(items_profile(rows), before, CATALOGUE) == []
    gone = items_profile([{**row, "item_id": None} for row in rows])
    assert kinds(schema_changes(gone, before, CATALOGUE)) == {("missing_field", "stop")}
    named = items_profile([{**{k: v for k, v in row.items() if k != "title"}, "name": "but"} for row in rows])
    assert kinds(schema_changes(named, before, CATALOGUE)) == {("renamed_field", "stop")}
    typed = items_profile([{**row, "price": 1.0, "attributes": "{}"} for row in rows])
    assert kinds(schema_changes(typed, before, CATALOGUE)) == {("changed_type", "warn")}
    nested = items_profile([{**row, "title": {"pl": "but"}} for row in rows])
    assert kinds(schema_changes(nested, before, CATALOGUE)) == {("changed_type", "stop")}
