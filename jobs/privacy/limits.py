"""How long a day may stay, by the zone of its table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from jobs.lake.manifest import QUARANTINE
from jobs.lake.zones import CATALOGUE, DERIVED, JUDGED, MODEL, RAW, RECORD, zone_of


@dataclass(frozen=True)
class Limits:
    """day: the day of reference; a day goes when it lies more than so many days before it."""

    day: str
    raw_days: int
    judged_days: int
    derived_days: int

    def days(self, zone: str) -> int | None:
        """The days of a zone; None: they never end."""
        return {
            RAW: self.raw_days,
            JUDGED: self.judged_days,
            DERIVED: self.derived_days,
            MODEL: self.derived_days,
            CATALOGUE: None,
            RECORD: None,
        }[zone]

    def over(self, table: str, day: str) -> bool:
        """Whether a day of a table must not be there any more."""
        days = self.days(zone_of(table))
        return days is not None and day < self._first(days)

    def raw_over(self, day: str) -> bool:
        """The same of raw lines, wherever they lie."""
        return day < self._first(self.raw_days)

    @staticmethod
    def holds_raw(name: str) -> bool:
        """Whether a file of a partition, by its name there, holds raw lines: rejected ones, or what a killed job left.

        Spark's own folder and jobs.platform.temp_tables begin with _; the job deletes them when it ends.
        """
        folders = name.split("/")[2:-1]  # attempts/<version>/...
        return any(one == QUARANTINE or one.startswith("_") for one in folders)

    def written_over(self, changed_s: float, days: int) -> bool:
        """The same of a file that belongs to no day, by when it was written."""
        return datetime.fromtimestamp(changed_s, UTC).date().isoformat() < self._first(days)

    def _first(self, days: int) -> str:
        """The earliest day that may stay."""
        return (date.fromisoformat(self.day) - timedelta(days=days)).isoformat()
