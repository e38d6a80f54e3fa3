"""When a shop's day begins and ends: midnight in its own time zone, as instants in UTC."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def time_zone() -> str:
    """The zone in which days are meant: NIGHTSHELF_TIME_ZONE, UTC where it is not set.

    Raises:
        ValueError: no such zone.
    """
    name = os.environ.get("NIGHTSHELF_TIME_ZONE", "") or "UTC"
    _zone(name)
    return name


def bounds(ds: str) -> tuple[datetime, datetime]:
    """First instant of the day and of the next one, in UTC: 24 hours apart, 23 or 25 when clocks change.

    Raises:
        ValueError: not a day (YYYY-MM-DD), or the setting names no zone.
    """
    zone, day = _zone(time_zone()), date.fromisoformat(ds)
    first, after = (
        # a midnight that clocks skip is the moment they skip it; one that they show twice, the first of the two
        datetime.combine(one, time(), zone).astimezone(UTC)
        for one in (day, day + timedelta(days=1))
    )
    return first, after


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"NIGHTSHELF_TIME_ZONE={name!r}: expected a time zone such as Europe/Warsaw or UTC") from None
