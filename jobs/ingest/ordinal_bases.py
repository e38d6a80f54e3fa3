"""Whether an application counts positions from 0 or from 1: decided by its searches, compared with the day before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.ingest.profile import kept_name
from jobs.lake.partitions import IMPRESSIONS
from jobs.lake.windows import before_day
from jobs.platform.spark import run_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LOOK_BACK_DAYS = 14
MIN_SEARCHES = 20  # behind a share before it means anything
MIXED_FRAC = 0.05  # of an application's searches that count the other way, above which somebody should know
MAX_APPLICATIONS = 12


class OrdinalBase(NamedTuple):
    """An application's searches with a position 0 or 1; shown: those among them with such an impression."""

    application: str
    searches: int
    shown: int
    shown_from_zero: int
    is_zero_based: bool

    @property
    def is_mixed(self) -> bool:
        """Whether too many of its searches count the other way."""
        other = self.shown - self.shown_from_zero if self.is_zero_based else self.shown_from_zero
        return self.shown >= MIN_SEARCHES and other > MIXED_FRAC * self.shown


def ordinal_bases(lines: DataFrame) -> list[OrdinalBase]:
    """The applications of a day's log, the largest first."""
    rows = run_sql("ordinal_bases", {}, log_lines=lines).collect()
    return sorted((OrdinalBase(*row) for row in rows), key=lambda base: (-base.searches, base.application))


def zero_based(bases: Sequence[OrdinalBase]) -> list[str]:
    """Applications that count from 0."""
    return sorted(base.application for base in bases if base.is_zero_based)


def findings(bases: Sequence[OrdinalBase], ds: str) -> dict[str, Any]:
    """Facts for the manifest: first positions of the largest applications, and sentences on changed and mixed ones."""
    large = [base for base in bases if base.searches >= MIN_SEARCHES][:MAX_APPLICATIONS]
    first = {kept_name(base.application): int(not base.is_zero_based) for base in large}
    before = _first_positions(ds)
    changed = [
        f"{name or 'records without application'}: positions begin at {base}, {before[name]} on the day before"
        for name, base in first.items()
        if before.get(name, base) != base
    ]
    mixed = [
        f"{kept_name(base.application) or 'records without application'}: {base.shown_from_zero / base.shown:.1%} of the"
        f" searches show a position 0, the others begin at 1; all are read as beginning at {int(not base.is_zero_based)}"
        for base in large
        if base.is_mixed
    ]
    return {"first": first, "changed": len(changed), "mixed": len(mixed), "findings": changed + mixed}


def _first_positions(ds: str) -> dict[str, int]:
    """Application -> first position, of the newest earlier day that states it."""
    for day in reversed(before_day(IMPRESSIONS, ds, LOOK_BACK_DAYS).days):
        if known := day.facts.get("ordinal_bases", {}).get("first"):
            return dict(known)
    return {}
