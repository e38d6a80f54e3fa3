"""Windows of a daily table: the days up to a given one, never a later day."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobs.lake.partitions import Partition, Table
from jobs.lake.read import Pinned, pin, published_days, read_verdict
from jobs.lake.storage import spark_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Window:
    """Pinned days in order; missing: not published; stopped: excluded by their data-quality verdict."""

    table: Table
    days: Sequence[Pinned]
    missing: Sequence[str] = ()
    stopped: Sequence[str] = ()

    @property
    def facts(self) -> dict[str, list[str]]:
        """Facts for the manifest."""
        return {
            "days_read": [pinned.partition.ds for pinned in self.days],
            "days_missing": list(self.missing),
            "days_stopped": list(self.stopped),
        }

    @property
    def files(self) -> int:
        """Number of files for a table made from this window: one per 256 MiB read."""
        read = sum(entry.bytes for pinned in self.days for entry in pinned.entries())
        return 1 + (read >> 28)

    def read(self, spark: SparkSession) -> DataFrame:
        """Rows of all its days; an empty frame for a window without days."""
        return read_columns(spark, self.table, self.days)


def read_columns(spark: SparkSession, table: Table, days: Sequence[Pinned]) -> DataFrame:
    """Rows of partitions of a table with its declared columns; NULL where the files of an older day lack a column."""
    schema = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    if not days:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*[spark_uri(uri) for pinned in days for uri in pinned.files()])


def span(last: str, days: int) -> list[str]:
    """`days` days up to the last, in order.

    Raises:
        ValueError: days is below 1.
    """
    if days < 1:
        raise ValueError(f"a window of {days} days; expected 1 or more")
    end = date.fromisoformat(last)
    return [(end - timedelta(days=back)).isoformat() for back in range(days - 1, -1, -1)]


def first_day(last: str, days: int) -> str:
    """First day of the span."""
    return span(last, days)[0]


def window(last: Partition, days: int) -> Window:
    """The published days in [last - days + 1, last].

    Raises:
        LookupError: the last day is not published.
        RuntimeError: the last day was stopped by its verdict (an earlier stopped day is left out and recorded).
    """
    wanted = span(last.ds, days)
    pinned = pin(last)
    before = before_day(last.table, last.ds, days - 1)
    read = [*before.days, pinned]
    known = {pinned_day.partition.ds for pinned_day in read} | set(before.stopped)
    missing = [day for day in wanted if day not in known]
    return Window(last.table, read, missing, before.stopped)


def before_day(table: Table, ds: str, days: int) -> Window:
    """The published days among the `days` days before ds; ds itself and later days are never read."""
    if days < 1:
        return Window(table, [])
    *before, _ = span(ds, days + 1)
    published = published_days(table, before[0], before[-1])
    pinned = [pin(table.at(ds=day), even_stopped=True) for day in published]
    stopped = [p.partition.ds for p in pinned if read_verdict(p).get("verdict") == "stop"]
    return Window(table, [p for p in pinned if p.partition.ds not in stopped], stopped=stopped)


def time_zone() -> str:
    """The time zone of a shop's days: NIGHTSHELF_TIME_ZONE, UTC where it is not set.

    Raises:
        ValueError: no such zone.
    """
    return _zone().key


def bounds(ds: str) -> tuple[datetime, datetime]:
    """First instant of the day and of the next one, in UTC. They are 24 hours apart, or 23 or 25 when clocks change.

    Raises:
        ValueError: not a day (YYYY-MM-DD), or the setting names no zone.
    """
    zone, day = _zone(), date.fromisoformat(ds)
    first, after = (
        # where clocks skip midnight, the moment they skip it; where they show it twice, the first of the two
        datetime.combine(start, time(), zone).astimezone(UTC)
        for start in (day, day + timedelta(days=1))
    )
    return first, after


def _zone() -> ZoneInfo:
    name = os.environ.get("NIGHTSHELF_TIME_ZONE", "") or "UTC"
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"NIGHTSHELF_TIME_ZONE={name!r}: expected a time zone such as Europe/Warsaw or UTC") from None
