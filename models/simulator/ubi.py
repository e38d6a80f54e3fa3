"""UBI records as text, whole arrays at a time: queries, events, and lines that no reader can take.

Real applications keep the standard each in its own way, so two of them are imitated here. The web shop writes
OpenSearch bulk lines, ISO timestamps and ordinals from 1; the mobile app writes plain NDJSON, epoch milliseconds,
ordinals from 0, older field names, and the session among the event's attributes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.simulator.arrays import Columns, Ints, Words, as_words
from models.simulator.browse import NAMES, PLACEMENTS, VIEW, Browsed
from models.simulator.events import ACTIONS, CLICK


@dataclass(frozen=True)
class Dialect:
    """The UBI of one application. actions: the names of ACTIONS; hits: the field of the result list."""

    application: str
    bulk: bool
    first_ordinal: int
    epoch: bool
    actions: tuple[str, ...]
    hits: str
    session_in_attributes: bool


WEB = Dialect("shop-web", True, 1, False, ACTIONS, "query_response_hit_ids", False)
_APP_ACTIONS = ("impression", "click_through", "add_to_cart", "purchase")
APP = Dialect("shop-app", False, 0, True, _APP_ACTIONS, "query_response_object_ids", True)
DIALECTS = (WEB, APP)
# the first two are faults of a line of text, which no record of columns can have
FAULTS = ("truncated", "not_object", "no_action", "bad_timestamp", "no_user_query")
TEXT_FAULTS = 2
BAD_TIMESTAMP, NO_USER_QUERY = 3, 4
# 00:00:00 to 23:59:59, and .000Z to .999Z
_CLOCK = np.strings.slice(np.datetime_as_string(np.arange(86_400).astype("datetime64[s]")), 11, 19).astype("S8")
_THOUSANDTHS = np.strings.slice(
    np.datetime_as_string(np.arange(1000).astype("datetime64[ms]"), timezone="UTC"), 19, 24
).astype("S5")


@dataclass(frozen=True)
class SearchTexts(Columns):
    """S searches in words that are safe inside JSON strings; sessions may be empty: it was not sent."""

    ids: Words
    clients: Words
    sessions: Words
    texts: Words


def stamps(dialect: Dialect, milliseconds: Ints) -> Words:
    """Return timestamps [n] as JSON values, from milliseconds since 1970."""
    if dialect.epoch:
        return as_words(milliseconds)
    quoted: Words = np.array('"', dtype=object) + as_words(iso(milliseconds)) + '"'
    return quoted


def iso(milliseconds: Ints) -> NDArray[np.bytes_]:
    """Return instants [n] as 2026-01-31T23:59:59.999Z, put together from tables: a day has few different times."""
    days, rest = np.divmod(milliseconds, 86_400_000)
    seconds, thousandths = np.divmod(rest, 1000)
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    dates = np.datetime_as_string(np.arange(first, last + 1).astype("datetime64[D]"))
    made = np.empty(len(days), dtype=[("date", "S11"), ("time", "S8"), ("rest", "S5")])
    made["date"] = np.strings.add(dates, "T").astype("S11")[days - first]
    made["time"] = _CLOCK[seconds]
    made["rest"] = _THOUSANDTHS[thousandths]
    return made.view("S24")


def query_lines(dialect: Dialect, searches: SearchTexts, hits: Words, at: Words) -> Words:
    """Return one query record per search; hits [S, R]: item ids in rank order, "" past the end."""
    listed = '"' + hits[:, 0] + '"'
    for column in range(1, hits.shape[1]):
        item = hits[:, column]
        listed = listed + np.where(item == "", "", ',"' + item + '"')
    listed = np.where(hits[:, 0] == "", "", listed)
    head = f'{_index(dialect, "ubi_queries")}{{"application":"{dialect.application}","query_id":"'
    who = searches.ids + '","client_id":"' + searches.clients + '","user_query":"' + searches.texts
    answer = '","query_attributes":{},"object_id_field":"item_id","timestamp":' + at + f',"{dialect.hits}":[' + listed
    lines: Words = head + who + answer + "]}"
    return lines


def event_lines(
    dialect: Dialect, searches: SearchTexts, search: Ints, action: Ints, place: Ints, item: Words, at: Words
) -> Words:
    """Return one event record per (search, action, place from 0, item, timestamp)."""
    index = _index(dialect, "ubi_events")
    heads = [
        f'{index}{{"application":"{dialect.application}","action_name":"{name}","query_id":"'
        for name in dialect.actions
    ]
    session = np.where(searches.sessions == "", "", '"session_id":"' + searches.sessions + '",')
    outside, inside = ("", session) if dialect.session_in_attributes else (session, "")
    body = searches.ids + '","client_id":"' + searches.clients + '",' + outside + '"timestamp":'
    object_head = ',"event_attributes":{' + inside + '"object":{"object_id":"'
    ordinals = np.arange(int(place.max(initial=0)) + 1) + dialect.first_ordinal
    tails = '","object_id_field":"item_id"},"position":{"ordinal":' + as_words(ordinals) + "}}}"
    middle = object_head[search] if isinstance(object_head, np.ndarray) else object_head
    lines: Words = np.array(heads, dtype=object)[action] + body[search] + at + middle + item + tails[place]
    return lines


def browse_lines(dialect: Dialect, searches: SearchTexts, made: Browsed, item: Words, at: Words) -> Words:
    """Return one event record per event outside search, with the place where it happened and without a position."""
    search, index = made.searches, _index(dialect, "ubi_events")
    names = (NAMES[VIEW], *dialect.actions[CLICK:])
    heads = [f'{index}{{"application":"{dialect.application}","action_name":"{name}",' for name in names]
    places = [f'"placement":"{name}",' for name in PLACEMENTS]
    led = np.where(made.led == 1, '"query_id":"' + searches.ids[search] + '",', "")
    session = np.where(searches.sessions[search] == "", "", '"session_id":"' + searches.sessions[search] + '",')
    outside, inside = ("", session) if dialect.session_in_attributes else (session, "")
    body = led + '"client_id":"' + searches.clients[search] + '",' + outside + '"timestamp":' + at
    attributes = ',"event_attributes":{' + inside + np.array(places, dtype=object)[made.actions]
    head: Words = np.array(heads, dtype=object)[made.actions]
    lines: Words = head + body + attributes + '"object":{"object_id":"' + item + '","object_id_field":"item_id"}}}'
    return lines


def broken_lines(dialect: Dialect, fault: Ints, ids: Words, at: Words) -> Words:
    """Return lines that break the standard, each by the fault of FAULTS given."""
    events = _index(dialect, "ubi_events")
    start = f'{{"application":"{dialect.application}",'
    body = '","event_attributes":{"object":{"object_id":"1"},"position":{"ordinal":1}}}'
    kinds = [
        events + start + '"action_name":"click","query_id":"' + ids + '","timestamp":' + at + ',"event_at',
        events + '["click","' + ids + '"]',
        events + start + '"timestamp":' + at + ',"query_id":"' + ids + body,
        events + start + '"action_name":"click","timestamp":"yesterday","query_id":"' + ids + body,
        _index(dialect, "ubi_queries") + start + '"timestamp":' + at + ',"query_id":"' + ids + '"}',
    ]
    return np.stack(kinds)[fault, np.arange(len(fault))]


def hexed(numbers: NDArray[np.uint64]) -> Words:
    """Return each number as 16 hexadecimal digits."""
    return as_words(np.frombuffer(numbers.astype(">u8").tobytes().hex().encode(), dtype="S16"))


def _index(dialect: Dialect, name: str) -> str:
    return f'{{"index":{{"_index":"{name}"}}}}\n' if dialect.bulk else ""
