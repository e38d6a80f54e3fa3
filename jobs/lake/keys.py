"""The keys of the lake's addresses, and what a value of each may be: nothing else can leave the lake."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date


def _is_date(value: str) -> bool:
    """Only the canonical form: `date.fromisoformat` alone also takes 20260131 and 2026-W05-6."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_shard(value: str) -> bool:
    found = re.fullmatch(r"(0|[1-9][0-9]{0,4})of([1-9][0-9]{0,4})", value)
    return found is not None and int(found[1]) < int(found[2])


def _is_space_id(value: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{16}", value) is not None


def _is_step(value: str) -> bool:
    return value in ("in_batch", "star", "adore")


def _is_name(value: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9_]{0,62}", value) is not None


KEYS: dict[str, tuple[Callable[[str], bool], str]] = {
    "ds": (_is_date, "a day as YYYY-MM-DD"),
    "space": (_is_space_id, "a space id: 16 hexadecimal digits"),
    "shard": (_is_shard, "a shard such as 0of4"),
    "step": (_is_step, "in_batch, star or adore"),
    "study": (_is_name, "a name of small letters, digits and _"),
}
