"""Rules of schema drift: which changes of a raw delivery stop the day, and which fields the readers need and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.ingest.record_forms import LIST_FIELDS
from jobs.ingest.ubi import TEXT_FIELDS

STOP, WARN = "stop", "warn"

# (kind of change, case) -> effect. needed: no record of that kind can be used without the field. read: the reader uses
# the field, or also knows its new name. unread: the reader ignores it.
RULES: dict[tuple[str, str], str] = {
    ("missing_field", "needed"): STOP,
    ("missing_field", "read"): WARN,
    ("missing_field", "unread"): WARN,
    ("renamed_field", "needed"): STOP,
    ("renamed_field", "read"): WARN,
    ("renamed_field", "unread"): WARN,
    ("new_field", "unread"): WARN,
    # a type that the reader reads as text as well, such as a number instead of a text
    ("changed_type", "read"): WARN,
    ("changed_type", "unread"): WARN,
    # a type that it cannot read, such as a text instead of an object
    ("changed_type", "needed"): STOP,
    # an action that is needed is one of the four: impression, click, cart, purchase
    ("missing_action", "needed"): STOP,
    ("missing_action", "unread"): WARN,
    ("renamed_action", "needed"): STOP,
    ("renamed_action", "read"): WARN,
    ("renamed_action", "unread"): WARN,
    ("new_action", "unread"): WARN,
    ("new_action", "read"): WARN,
    # sql/log_lines.sql drops every line with a form that it cannot read
    ("timestamp_form", "needed"): STOP,
    ("timestamp_form", "read"): WARN,
    # the day's own log shows whether ordinals start at 0 or 1; a start at 2 or more means that positions are missing
    ("ordinal_base", "read"): WARN,
    ("ordinal_base", "needed"): STOP,
    ("new_application", "unread"): WARN,
    # the application had LARGE_APPLICATION_FRAC of the records or more: a delivery is missing
    ("missing_application", "needed"): STOP,
    ("missing_application", "unread"): WARN,
}
READ_FORMS = (
    *("iso_utc", "iso_with_offset", "iso_without_zone", "timestamp"),
    *("epoch_s", "epoch_ms", "epoch_us", "epoch_ns"),
)
LARGE_APPLICATION_FRAC = 0.1

_TEXT = ("string", "number", "boolean", "timestamp")
_ITEM = "event_attributes.object.object_id"
_PLACE = "event_attributes.position.ordinal"


@dataclass(frozen=True)
class Shape:
    """Fields of raw records that a reader uses.

    needed  kind of record -> fields without which no such record can be used
    read    field -> JSON types that the reader accepts
    same    sets of fields that can replace each other
    """

    needed: Mapping[str, tuple[str, ...]]
    read: Mapping[str, tuple[str, ...]]
    same: tuple[frozenset[str], ...] = ()

    def case(self, kind: str, path: str) -> str:
        """needed, read or unread."""
        if path in self.needed.get(kind, ()):
            return "needed"
        return "read" if path in self.read else "unread"

    def stands_for(self, old: str, new: str) -> bool:
        """Whether the reader accepts one field for the other."""
        return any({old, new} <= names for names in self.same)


def _objects(fields: tuple[str, ...]) -> list[str]:
    """Objects that hold the fields: `a` and `a.b` for `a.b.c`."""
    return sorted({field[:at] for field in fields for at, letter in enumerate(field) if letter == "."})


LOG = Shape(
    needed={
        "search": ("query_id", "user_query", "timestamp"),
        "impression": ("query_id", "timestamp", _ITEM, _PLACE),
        "act": ("query_id", "timestamp", _ITEM),
    },
    read={
        **dict.fromkeys(TEXT_FIELDS, _TEXT),
        **dict.fromkeys(_objects(TEXT_FIELDS), ("object",)),
        **dict.fromkeys(LIST_FIELDS, ("array",)),
    },
    same=(
        frozenset(LIST_FIELDS),
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
