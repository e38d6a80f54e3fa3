"""Days that a table's partitions may stay, by its zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from jobs.lake.manifest import QUARANTINE
from jobs.lake.partitions import DERIVED, JUDGED, MODEL, RAW, TABLES


@dataclass(frozen=True)
class AgeLimits:
    """Days that each zone may stay. A day expires when it is more than that many days before `day`."""

    day: str
    raw_days: int
    judged_days: int
    derived_days: int

    def expired(self, table: str, day: str) -> bool:
        """Whether a day of a table must be deleted.

        Raises:
            LookupError: no such table.
        """
        zones = {RAW: self.raw_days, JUDGED: self.judged_days, DERIVED: self.derived_days, MODEL: self.derived_days}
        days = zones.get(TABLES[table].zone)  # the shop's own words and the records of deletions stay
        return days is not None and day < self._first(days)

    def raw_expired(self, day: str) -> bool:
        """Whether raw lines of a day must be deleted, in whatever table."""
        return day < self._first(self.raw_days)

    @staticmethod
    def is_raw(name: str) -> bool:
        """Whether a file of a partition holds raw lines: rejected ones, or what a killed job left. name: below it.

        Folders that begin with _ are Spark's and those of jobs.platform.temp_tables; a job deletes them when it ends.
        """
        folders = name.split("/")[2:-1]  # attempts/<version>/...
        return any(folder == QUARANTINE or folder.startswith("_") for folder in folders)

    def age_expired(self, changed_s: float, days: int) -> bool:
        """Whether a file that belongs to no day must be deleted, by when it was written."""
        return datetime.fromtimestamp(changed_s, UTC).date().isoformat() < self._first(days)

    def _first(self, days: int) -> str:
        """The earliest day that may stay."""
        return (date.fromisoformat(self.day) - timedelta(days=days)).isoformat()
