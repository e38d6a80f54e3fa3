"""What the reports of earlier nights said: the trend, and how an index in service ages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from jobs.lake import REPORT, Partition
from jobs.listing import published
from jobs.reading import pin

DAYS = 90
MEASURE = "R@60"
LAST = 7  # nights that today is held against
FEWEST = 3  # of them, below which nothing is said


@dataclass(frozen=True)
class Night:
    """One report. now, served: R@60 of hybrid (dense where there is none) of the index judged, and of the one in
    service then; served is 0 where none was. age_days: how old that one's catalogue was."""

    ds: str
    towers: str
    verdict: str
    queries: int
    now: float
    served: float
    age_days: int

    @property
    def kept(self) -> float:
        """What the index in service had of what a fresh one has; 0 where none was."""
        return self.served / self.now if self.now else 0.0


def earlier_nights(report: Partition, days: int = DAYS) -> list[Night]:
    """Reports of the days before, oldest first; never one of a later day, so that a backfill sees what it saw then."""
    first = (date.fromisoformat(report.ds) - timedelta(days=days)).isoformat()
    nights = []
    for one in published(REPORT, first, before=report.ds):
        pinned = pin(one, even_stopped=True)
        told = json.loads(pinned.path("summary.json").read_bytes())
        nights.append(night_of(one, told, pinned.facts.get("champion") or {}))
    return nights


def night_of(report: Partition, told: dict[str, Any], champion: dict[str, Any]) -> Night:
    """One report as a point of the trend. told: its summary. champion: the fact of its rankings."""
    means = told["measures"]
    arm = "hybrid" if "hybrid" in means else "dense"
    born = Partition.parse(champion["index"]).ds if champion else report.ds
    age = (date.fromisoformat(report.ds) - date.fromisoformat(born)).days
    return Night(
        report.ds,
        report.values["towers"],
        told["verdict"],
        told["queries"],
        float(means[arm][MEASURE]),
        float(means.get(f"champion_{arm}", {}).get(MEASURE, 0.0)),
        age,
    )


def alerts_of(nights: Sequence[Night], tonight: Night, max_drop: float, max_age_days: int) -> list[str]:  # fmt: skip
    """What a person should be told: a fall against the last nights, an index in service too old or worn.

    Other nights had other queries: a fall is a reason to look, and none to stop.
    """
    found = []
    last = [one.now for one in nights if one.ds != tonight.ds][-LAST:]
    if len(last) >= FEWEST and (usual := float(np.median(last))) - tonight.now > max_drop:
        found.append(
            f"{MEASURE} fell to {tonight.now:.3f}; the median of the last {len(last)} nights is {usual:.3f}"
            f" (alert from {max_drop:g})"
        )
    if tonight.served and tonight.age_days > max_age_days:
        found.append(
            f"the index in service is of {tonight.age_days} days ago, more than {max_age_days}"
        )
    if tonight.served and tonight.now - tonight.served > max_drop:
        found.append(
            f"the index in service has {MEASURE} {tonight.served:.3f} on today's queries, a fresh one {tonight.now:.3f}"
            f" (alert from {max_drop:g})"
        )
    return found


def as_rows(nights: Sequence[Night]) -> list[dict[str, Any]]:
    """Nights as JSON."""
    return [{**asdict(one), "kept": one.kept} for one in nights]
