"""Records by table and day, the days of the calendar, and which day is missing from which table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from jobs.lake.partitions import TABLES, Partition
from jobs.quality.overview.alerts import Told
from jobs.quality.overview.record import WORST_FIRST, Account, Record

MOST_DAYS = 90
# a day of which only alerts are known may follow the last one by so many days: a broken week is still shown
BROKEN_DAYS = 7
# a table that has this share of the days since its first is one of every day, and a hole in it is a missing day
DAILY_FRAC = 0.5


@dataclass(frozen=True)
class Board:
    """What the overview is made of."""

    records: Sequence[Record]
    alerts: Mapping[str, Sequence[Told]]

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], Sequence[Record]]:
        """(table, day) -> its partitions, the worst first."""
        found: dict[tuple[str, str], list[Record]] = defaultdict(list)
        for one in sorted(self.records, key=lambda one: one["partition"]):
            partition = Partition.parse(one["partition"])
            found[partition.name, partition.ds].append(one)
        for cell in found.values():
            cell.sort(key=lambda one: WORST_FIRST.index(one["verdict"]))
        return dict(found)

    @cached_property
    def tables(self) -> Sequence[str]:
        """Tables with a record, in the corridor's order."""
        known = {table for table, _ in self.cells}
        return [name for name in TABLES if name in known]

    @cached_property
    def days(self) -> Sequence[str]:
        """Every day of the calendar, oldest first, whether anything stands there or not."""
        known = sorted({day for _, day in self.cells})
        if not known:
            return []
        last = date.fromisoformat(known[-1])
        for text in sorted(day for day in self.alerts if day > known[-1]):
            told = date.fromisoformat(text)
            last = told if (told - last).days <= BROKEN_DAYS else last
        first = max(date.fromisoformat(known[0]), last - timedelta(days=MOST_DAYS - 1))
        return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]

    @cached_property
    def daily(self) -> Mapping[str, str]:
        """Tables of every day -> the first day from which on one is expected."""
        found = {}
        for table in self.tables:
            days = sorted(day for name, day in self.cells if name == table)
            since = [day for day in self.days if day >= days[0]]
            if sum(day in set(days) for day in since) >= DAILY_FRAC * len(since):
                found[table] = days[0]
        return found

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
            for one in self.cells.get((table, day), ())[:1]:
                yield day, one

    def accounts(self, table: str, unit: str) -> dict[str, Account]:
        """Day -> what became of the rows, where the record says it."""
        return {
            day: account
            for day, one in self.of(table)
            for account in one.get("accounts", ())
            if account["unit"] == unit
        }
