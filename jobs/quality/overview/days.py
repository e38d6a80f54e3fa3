"""Records by table and day, the days of the calendar, and the days that are missing from a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from jobs.lake.partitions import TABLES, Partition
from jobs.quality.overview.alerts import Alert
from jobs.quality.overview.record import WORST_FIRST, Account, Record

MOST_DAYS = 90
# a day with alerts alone is shown if it follows the last one by at most this: a broken week
BROKEN_DAYS = 7
# a table with this share of the days since its first is a daily one: its other days are missing
DAILY_FRAC = 0.5


@dataclass(frozen=True)
class Board:
    """The records and alerts of the overview. alerts: day -> alerts, newest first."""

    records: Sequence[Record]
    alerts: Mapping[str, Sequence[Alert]]

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], Sequence[Record]]:
        """(table, day) -> its partitions, the worst first."""
        cells: dict[tuple[str, str], list[Record]] = defaultdict(list)
        for record in sorted(self.records, key=lambda record: record["partition"]):
            partition = Partition.parse(record["partition"])
            cells[partition.name, partition.ds].append(record)
        for cell in cells.values():
            cell.sort(key=lambda record: WORST_FIRST.index(record["verdict"]))
        return dict(cells)

    @cached_property
    def tables(self) -> Sequence[str]:
        """Tables with a record, in the corridor's order."""
        known = {table for table, _ in self.cells}
        return [name for name in TABLES if name in known]

    @cached_property
    def days(self) -> Sequence[str]:
        """Every day of the calendar, oldest first, with or without records."""
        known = sorted({day for _, day in self.cells})
        if not known:
            return []
        last = date.fromisoformat(known[-1])
        for text in sorted(day for day in self.alerts if day > known[-1]):
            alerted = date.fromisoformat(text)
            last = alerted if (alerted - last).days <= BROKEN_DAYS else last
        first = max(date.fromisoformat(known[0]), last - timedelta(days=MOST_DAYS - 1))
        return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]

    @cached_property
    def daily(self) -> Mapping[str, str]:
        """Daily tables -> their first day; from it on every day is expected."""
        first_days = {}
        for table in self.tables:
            days = sorted(day for name, day in self.cells if name == table)
            since = [day for day in self.days if day >= days[0]]
            if sum(day in set(days) for day in since) >= DAILY_FRAC * len(since):
                first_days[table] = days[0]
        return first_days

    def is_missing(self, table: str, day: str) -> bool:
        """Whether a day should be there and is not."""
        first = self.daily.get(table)
        return first is not None and day >= first and (table, day) not in self.cells

    def missing(self, day: str) -> list[str]:
        """The tables from which a day is missing."""
        return [table for table in self.tables if self.is_missing(table, day)]

    def of(self, table: str) -> Iterator[tuple[str, Record]]:
        """(day, record) of a table with one partition a day, the days of the calendar."""
        for day in self.days:
            for record in self.cells.get((table, day), ())[:1]:
                yield day, record

    def accounts(self, table: str, unit: str) -> dict[str, Account]:
        """Day -> the account of its rows, where the record has it."""
        return {
            day: account
            for day, record in self.of(table)
            for account in record.get("accounts", ())
            if account["unit"] == unit
        }
