"""Delivery faults of a day's events: duplicates, late events, events of other days, wrong clocks."""

from dataclasses import dataclass, fields, replace

import numpy as np

from models.simulator.arrays import Flags, Floats, Ints
from models.simulator.events import Events

LATE_S = (7 * 3600.0, 31 * 3600.0)  # a late event's stamp, after the end of the day
MAX_DAYS = 3  # how much later a delayed event or search is delivered
_WHOLE_FRAC = 0.1  # searches delayed with all their events, as a share of delayed_frac
_LATE, _TWICE, _DELAYED, _AGAIN = range(4)  # what becomes of an event; most arrive as they should


@dataclass(frozen=True)
class Faults:
    """Faults on the way, as shares of the events. late: stamped on the day after; delayed: in the log of one
    of the next days, rightly stamped, and so a tenth as many searches with all their events; redelivered: once more
    in the next day's log. malformed: extra lines, as a share of all lines; skew: clients whose clock is wrong."""

    duplicate_frac: float
    late_frac: float
    malformed_frac: float
    delayed_frac: float = 0.0
    redelivered_frac: float = 0.0
    skew_frac: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 0.5:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: expected 0 to 0.5")
        if sum(self.fates) > 1:
            raise ValueError(
                f"duplicate_frac, late_frac, delayed_frac and redelivered_frac sum to {sum(self.fates)}: an event "
                "has one of these faults, expected 1 at most"
            )

    @property
    def fates(self) -> tuple[float, float, float, float]:
        """Shares of _LATE, _TWICE, _DELAYED and _AGAIN."""
        return self.late_frac, self.duplicate_frac, self.delayed_frac, self.redelivered_frac


@dataclass(frozen=True)
class Delivered(Events):
    """E events as delivered, in order of delivery: Events, and stamps [E], seconds since midnight as the client's
    clock says; duplicates [E]: a second copy; late [E]: stamped on the day after; days [E]: the log it arrives in,
    0 the day's own; again [E]: a copy that came with a later log alone."""

    stamps: Floats
    duplicates: Flags
    late: Flags
    days: Ints
    again: Flags


def delayed_searches(searches: int, faults: Faults, rng: np.random.Generator) -> Ints:
    """Return for each search [S] how many days later it arrives with all its events; 0 for nearly all."""
    whole = rng.random(searches) < _WHOLE_FRAC * faults.delayed_frac
    return np.where(whole, rng.integers(1, MAX_DAYS + 1, searches), 0)


def delivered(
    made: Events, waits: Ints, skews: Floats, faults: Faults, day_s: float, rng: np.random.Generator
) -> Delivered:
    """Return the events as they arrive. waits [S]: as of `delayed_searches`; skews [S]: seconds by which the
    searcher's clock is ahead."""
    count = len(made.searches)
    fate = np.searchsorted(np.cumsum(faults.fates), rng.random(count), side="right")
    late, whole = fate == _LATE, waits[made.searches]
    seconds = np.where(late, day_s + rng.uniform(*LATE_S, count), made.seconds)
    alone = np.where(fate == _DELAYED, rng.integers(1, MAX_DAYS + 1, count), 0)
    days = np.where(whole > 0, whole, alone)
    copied = np.flatnonzero((fate == _TWICE) | ((fate == _AGAIN) & (whole == 0)))
    rows = np.concatenate([np.arange(count), copied])
    copy = np.arange(len(rows)) >= count
    order = np.lexsort((copy, seconds[rows]))
    rows, copy = rows[order], copy[order]
    again = copy & (fate[rows] == _AGAIN)
    arrived = replace(made, seconds=seconds).take(rows)
    return Delivered(
        **vars(arrived),
        stamps=arrived.seconds + skews[arrived.searches],
        duplicates=copy,
        late=late[rows],
        days=np.where(again, 1, days[rows]),
        again=again,
    )
