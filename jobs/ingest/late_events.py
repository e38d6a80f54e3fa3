"""Earlier days as they stood: their impressions, and over them what arrived late, up to a given day's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from jobs.ingest.spark_readers import union
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS
from jobs.lake.read import Pinned
from jobs.lake.windows import Window, before_day, span
from jobs.platform.spark import read_spark, sql_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROW = tuple(IMPRESSIONS.columns)


@dataclass(frozen=True)
class Earlier:
    """The days that ds may still add to, and what the logs between them and ds have added already."""

    impressions: Window
    late: Window
    wanted: Sequence[str]

    @property
    def inputs(self) -> list[Pinned]:
        """All that is read."""
        return [*self.impressions.days, *self.late.days]

    def arrivals(self, spark: SparkSession) -> DataFrame:
        """Columns of impressions, day (of the search), arrived (ds of the log that brought the row)."""
        frames = [
            read_spark(spark, pinned).selectExpr(
                *ROW,
                f"DATE'{pinned.partition.ds}' AS day" if table is IMPRESSIONS else "day",
                f"DATE'{pinned.partition.ds}' AS arrived",
            )
            for table, days in ((IMPRESSIONS, self.impressions), (LATE_IMPRESSIONS, self.late))
            for pinned in days.days
        ]
        none = Window(IMPRESSIONS, []).read(spark)
        return union([none.selectExpr(*ROW, "CAST(NULL AS DATE) AS day", "CAST(NULL AS DATE) AS arrived"), *frames])


def earlier(ds: str, days: int) -> Earlier:
    """What is published of the days before ds; those that were stopped by their verdict are left out."""
    *wanted, _ = span(ds, days + 1)
    return Earlier(before_day(IMPRESSIONS, ds, days), before_day(LATE_IMPRESSIONS, ds, days), wanted)


def those_changed(late: Pinned) -> Earlier:
    """The days that a late partition adds to, and what was added to them before it."""
    ds = late.partition.ds
    wanted = sorted(late.facts.get("days_changed", {}))
    if not wanted:
        return Earlier(Window(IMPRESSIONS, []), Window(LATE_IMPRESSIONS, []), [])
    days = (date.fromisoformat(ds) - date.fromisoformat(wanted[0])).days
    found = earlier(ds, days)
    rows = [pinned for pinned in found.impressions.days if pinned.partition.ds in wanted]
    return Earlier(Window(IMPRESSIONS, rows), found.late, wanted)


def overlaid(spark: SparkSession, arrivals: DataFrame) -> DataFrame:
    """One row per (search_id, item_id): the newest arrival speaks."""
    arrivals.createOrReplaceTempView("impression_versions")
    return spark.sql(sql_text("current_impressions"))
