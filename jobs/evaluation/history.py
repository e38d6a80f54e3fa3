"""The reports of earlier nights: the trend, and how an index in service ages."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from jobs.evaluation.room import SEARCH, ReportRoom, room_of
from jobs.lake.alias import CHAMPION
from jobs.lake.partitions import REPORT, Partition
from jobs.lake.read import Pinned, pin, published_partitions

log = logging.getLogger(__name__)
DAYS = 90
LAST = 7  # nights that today is compared with; medians of the last 7 and of the best 7
FEWEST = 3  # nights below which there is no alert


@dataclass(frozen=True)
class Night:
    """One report. now, served: the room's measure of the headline arm, of the index judged and of the index in service
    then; served is 0 without one. age_days: age of that index's catalogue."""

    ds: str
    towers: str
    verdict: str
    queries: int
    now: float
    served: float
    age_days: int

    @property
    def kept(self) -> float:
        """The measure of the index in service as a share of a fresh one's; 0 without one."""
        return self.served / self.now if self.now else 0.0


def earlier_nights(room: ReportRoom, report: Partition) -> list[Night]:
    """One report of the room of each earlier day, oldest first. Later days are left out, so that a backfill repeats itself.

    Of several of one day, that of tonight's space counts, else the last that was written. A report that cannot be
    read is left out, with a warning: an old one must not keep tonight's from being written.
    """
    first = (date.fromisoformat(report.ds) - timedelta(days=DAYS)).isoformat()
    best: dict[str, tuple[bool, str, Night]] = {}
    for partition in published_partitions(REPORT, first, before=report.ds):
        try:
            pinned = pin(partition, even_stopped=True)
            if room_of(pinned.facts.get("alias", CHAMPION)) != room:
                continue
            written_at, night = _read(room, pinned)
        # for any reason: damaged, of older code, half deleted
        except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            log.warning("%s: left out of the trend: %s: %s", partition, type(error).__name__, error)
            continue
        candidate = (night.towers == report.values["space"], written_at, night)
        best[partition.ds] = max(best.get(partition.ds, candidate), candidate, key=lambda row: row[:2])
    return [night for _, _, night in best.values()]


def _read(room: ReportRoom, report: Pinned) -> tuple[str, Night]:
    """Time at which a report was written, and its point of the trend."""
    summary = json.loads(report.path("summary.json").read_bytes())
    night = night_of(report.partition, summary, report.facts.get("champion") or {}, room)
    if not math.isfinite(night.now) or not math.isfinite(night.served):
        raise ValueError(f"{room.measure} is {night.now}, expected a finite number")
    return report.manifest.created_at, night


def night_of(report: Partition, summary: dict[str, Any], champion: dict[str, Any], room: ReportRoom = SEARCH) -> Night:
    """One report as a point of the trend. champion: the fact of its rankings."""
    means = summary["measures"]
    arm = room.headline(means)
    born = Partition.parse(champion["index"]).ds if champion else report.ds
    age = (date.fromisoformat(report.ds) - date.fromisoformat(born)).days
    return Night(
        report.ds,
        report.values["space"],
        summary["verdict"],
        summary["queries"],
        float(means[arm][room.measure]),
        float(means.get(f"champion_{arm}", {}).get(room.measure, 0.0)),
        age,
    )


def alerts_of(
    nights: Sequence[Night], tonight: Night, max_drop: float, max_age_days: int, room: ReportRoom = SEARCH
) -> list[str]:
    """Alerts: a fall against the last nights or, slowly, against the best week; an index in service that is too old or
    has lost too much.

    Other nights had other queries: a fall is a reason to look, not to stop.
    """
    alerts = []
    last = [night.now for night in nights[-LAST:]]
    if len(last) >= FEWEST and (usual := float(np.median(last))) - tonight.now > max_drop:
        alerts.append(
            f"{room.measure} fell to {tonight.now:.3f}; the median of the last {len(last)} nights is {usual:.3f}"
            f" (alert from {max_drop:g})"
        )
    alerts += _decay([*nights, tonight], max_drop, room.measure)
    if tonight.served and tonight.age_days > max_age_days:
        alerts.append(f"the index in service is of {tonight.age_days} days ago, more than {max_age_days}")
    if tonight.served and tonight.now - tonight.served > max_drop:
        alerts.append(
            f"the index in service has {room.measure} {tonight.served:.3f} on today's queries, a fresh one {tonight.now:.3f}"
            f" (alert from {max_drop:g})"
        )
    return alerts


def _decay(nights: Sequence[Night], max_drop: float, measure: str) -> list[str]:
    """Alert of a loss too slow for the last nights to show: their median against that of the best week before."""
    if len(nights) < 2 * LAST:
        return []
    values = np.array([night.now for night in nights])
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, LAST), axis=1)
    now, earlier = float(medians[-1]), medians[:-LAST]  # weeks that share no night with the last
    best = int(np.flatnonzero(earlier == earlier.max())[-1])
    if earlier[best] - now <= max_drop:
        return []
    text = (
        f"{measure} is in slow decay: the median of the last {LAST} nights is {now:.3f}, that of the {LAST} up to"
        f" {nights[best + LAST - 1].ds} was {earlier[best]:.3f} (alert from {max_drop:g})"
    )
    return [text]


def as_rows(nights: Sequence[Night]) -> list[dict[str, Any]]:
    """Nights as JSON."""
    return [{**asdict(night), "kept": night.kept} for night in nights]
