"""The days of impressions that a table is made of: the last one and those before it, never a later one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.lake import IMPRESSIONS, Partition
from jobs.reading import Pinned, pin, published_days, read_verdict
from jobs.store import spark_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Window:
    """Pinned days in order; missing: not published; stopped: set aside by their data-quality verdict."""

    days: Sequence[Pinned]
    missing: Sequence[str]
    stopped: Sequence[str]

    @property
    def facts(self) -> dict[str, list[str]]:
        """What a manifest says of the window."""
        return {
            "days_read": [pinned.partition.ds for pinned in self.days],
            "days_missing": list(self.missing),
            "days_stopped": list(self.stopped),
        }

    @property
    def files(self) -> int:
        """How many files a table of this window is written as: one for each 256 MiB that is read."""
        read = sum(entry.bytes for pinned in self.days for entry in pinned.entries())
        return 1 + (read >> 28)

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows of all its days; none where there is no day."""
        if not self.days:
            columns = ", ".join(f"{name} {kind}" for name, kind in IMPRESSIONS.columns.items())
            return spark.createDataFrame([], columns)
        uris = [spark_uri(uri) for pinned in self.days for uri in pinned.files()]
        return spark.read.parquet(*uris).select(*self.days[0].partition.table.columns)


def window(last: Partition, days: int) -> Window:
    """The published days in [last - days + 1, last].

    Raises:
        LookupError: the last day is not published.
        RuntimeError: the last day was stopped by its verdict (an earlier one is left out, and said so).
    """
    if days < 1:
        raise ValueError(f"a window of {days} days; expected 1 or more")
    pinned_last = pin(last)
    start = date.fromisoformat(last.ds) - timedelta(days=days - 1)
    wanted = [(start + timedelta(days=n)).isoformat() for n in range(days)]
    found = published_days(last.table, wanted[0], wanted[-1])
    pinned = [pin(last.table.at(ds=day), even_stopped=True) for day in found if day != last.ds]
    stopped = [p.partition.ds for p in pinned if read_verdict(p).get("verdict") == "stop"]
    return Window(
        days=[*(p for p in pinned if p.partition.ds not in stopped), pinned_last],
        missing=[day for day in wanted if day not in found],
        stopped=stopped,
    )
