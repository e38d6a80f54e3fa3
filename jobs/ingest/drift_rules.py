"""What a change of a raw delivery's schema is worth: one table, and what the readers need and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STOP, WARN = "stop", "warn"

# kind of finding, case -> what it does. `needed`: no record of that kind can be used without it; `read`: the reader
# takes it, or knows the new name as well; `unread`: it does not
RULES: dict[tuple[str, str], str] = {
    ("missing_field", "needed"): STOP,
    ("missing_field", "read"): WARN,
    ("missing_field", "unread"): WARN,
    ("renamed_field", "needed"): STOP,
    ("renamed_field", "read"): WARN,
    ("renamed_field", "unread"): WARN,
    ("new_field", "unread"): WARN,
    # a type that the reader takes for text all the same, such as a number where a text was
    ("changed_type", "read"): WARN,
    ("changed_type", "unread"): WARN,
    # one that it cannot take, such as a text where an object was
    ("changed_type", "needed"): STOP,
    # one of the four acts: impression, click, cart, purchase
    ("missing_action", "needed"): STOP,
    ("missing_action", "unread"): WARN,
    ("renamed_action", "needed"): STOP,
    ("renamed_action", "read"): WARN,
    ("renamed_action", "unread"): WARN,
    ("new_action", "unread"): WARN,
    ("new_action", "read"): WARN,
    # a form that sql/log_lines.sql does not read loses every line of it
    ("timestamp_form", "needed"): STOP,
    ("timestamp_form", "read"): WARN,
    # 0 and 1 are told apart by the day's own log; from 2 on places are missing
    ("ordinal_base", "read"): WARN,
    ("ordinal_base", "needed"): STOP,
    ("new_application", "unread"): WARN,
    # it had a tenth of the records or more: a delivery is missing
    ("missing_application", "needed"): STOP,
    ("missing_application", "unread"): WARN,
}
READ_FORMS = ("iso_utc", "iso_with_offset", "iso_without_zone", "epoch_ms", "timestamp")
LARGE_APPLICATION_FRAC = 0.1

_TEXT = ("string", "number", "boolean", "timestamp")
_ITEM = "event_attributes.object.object_id"
_PLACE = "event_attributes.position.ordinal"


@dataclass(frozen=True)
class Shape:
    """What a reader asks of raw records.

    needed  kind of record -> fields without which none of it can be used
    read    field -> JSON types that the reader takes
    same    fields of which one does for another
    """

    needed: Mapping[str, tuple[str, ...]]
    read: Mapping[str, tuple[str, ...]]
    same: tuple[frozenset[str], ...] = ()

    def case(self, kind: str, path: str) -> str:
        """needed, read or unread."""
        if path in self.needed.get(kind, ()):
            return "needed"
        return "read" if path in self.read else "unread"

    def stands_for(self, one: str, other: str) -> bool:
        """Whether the reader takes either."""
        return any({one, other} <= names for names in self.same)


LOG = Shape(
    needed={
        "search": ("query_id", "user_query", "timestamp"),
        "impression": ("query_id", "timestamp", _ITEM, _PLACE),
        "act": ("query_id", "timestamp", _ITEM),
    },
    read={
        **dict.fromkeys(
            (
                "application",
                "action_name",
                "query_id",
                "client_id",
                "session_id",
                "user_query",
                "timestamp",
                _ITEM,
                _PLACE,
                "event_attributes.session_id",
                "event_attributes.client_id",
            ),
            _TEXT,
        ),
        **dict.fromkeys(("event_attributes", "event_attributes.object", "event_attributes.position"), ("object",)),
        **dict.fromkeys(("query_response_hit_ids", "query_response_object_ids"), ("array",)),
    },
    same=(
        frozenset({"query_response_hit_ids", "query_response_object_ids"}),
        frozenset({"client_id", "event_attributes.client_id"}),
        frozenset({"session_id", "event_attributes.session_id"}),
    ),
)

CATALOGUE = Shape(
    needed={"item": ("item_id", "title")},
    read={
        **dict.fromkeys(("item_id", "title", "brand", "group_id", "price"), _TEXT),
        "category": (*_TEXT, "array"),
        "attributes": (*_TEXT, "object", "array"),
    },
)
