"""Impressions of earlier days with the corrections that later logs brought, up to a given day's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.ingest.hashing_secret import hashing_secret
from jobs.ingest.spark_readers import union
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS, Partition
from jobs.lake.read import Pinned, pin, published_days
from jobs.lake.windows import Window, before_day, read_columns, span
from jobs.platform.spark import run_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# fact of impressions: ids of its log that stood for several searches
SHARED_IDS = "shared_search_ids"
IMPRESSION_COLUMNS = tuple(IMPRESSIONS.columns)


@dataclass(frozen=True)
class EarlierDays:
    """The days that the log of ds may change, and the corrections from the logs before ds.

    wanted: these days, published or not, in order.
    """

    impressions: Window
    late: Window
    wanted: Sequence[str]

    @property
    def inputs(self) -> list[Pinned]:
        """Partitions to read."""
        return [*self.impressions.days, *self.late.days]

    def versions(self, spark: SparkSession) -> DataFrame:
        """Every version of each row: columns of impressions, day (of the search), arrived (ds of the log)."""
        days = [(pinned, f"DATE'{pinned.partition.ds}' AS day") for pinned in self.impressions.days]
        days += [(pinned, "day") for pinned in self.late.days]
        none = read_columns(spark, LATE_IMPRESSIONS, [])
        return union(
            [none.selectExpr(*IMPRESSION_COLUMNS, "day", "day AS arrived")]
            + [
                read_columns(spark, pinned.partition.table, [pinned]).selectExpr(
                    *IMPRESSION_COLUMNS, day, f"DATE'{pinned.partition.ds}' AS arrived"
                )
                for pinned, day in days
            ]
        )


def earlier_days(ds: str, days: int) -> EarlierDays:
    """The days before ds, without those that their data-quality verdict stopped."""
    *wanted, _ = span(ds, days + 1)
    return EarlierDays(before_day(IMPRESSIONS, ds, days), before_day(LATE_IMPRESSIONS, ds, days), wanted)


def with_own_ids(lines: DataFrame, earlier: EarlierDays) -> DataFrame:
    """Give each late event the id of its own search, where an earlier day had several under the shop's id."""
    if not any(day.facts.get(SHARED_IDS) for day in earlier.impressions.days):
        return lines
    versions = earlier.versions(lines.sparkSession)
    return run_sql("late_search_ids", {"salt": hashing_secret()}, log_lines=lines, impression_versions=versions)


def made_without(impressions: Partition, days: int) -> list[str]:
    """Later days that were made before this one was there: its events in their logs found no search to belong to."""
    day = date.fromisoformat(impressions.ds)
    later = published_days(LATE_IMPRESSIONS, *((day + timedelta(days=number)).isoformat() for number in (1, days)))
    pins = [pin(LATE_IMPRESSIONS.at(ds=ds), even_stopped=True) for ds in later]
    return [
        pinned.partition.ds
        for pinned in pins
        if str(impressions) not in {source.partition for source in pinned.manifest.inputs}
    ]


def changed_days(late: Pinned) -> EarlierDays:
    """The days that a late_impressions partition changes, and the corrections from the logs before it."""
    ds = late.partition.ds
    wanted = sorted(late.facts.get("days_changed", {}))
    if not wanted:
        return EarlierDays(Window(IMPRESSIONS, []), Window(LATE_IMPRESSIONS, []), [])
    earlier = earlier_days(ds, (date.fromisoformat(ds) - date.fromisoformat(wanted[0])).days)
    changed = [pinned for pinned in earlier.impressions.days if pinned.partition.ds in wanted]
    return EarlierDays(Window(IMPRESSIONS, changed), earlier.late, wanted)


def current_impressions(versions: DataFrame) -> DataFrame:
    """The newest version of each (search_id, item_id)."""
    return run_sql("current_impressions", {}, impression_versions=versions)
