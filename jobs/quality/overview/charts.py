"""Places and words of the overview's charts: lines with bands, stacked days. The template draws them as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from jobs.quality.overview.bands import Series
from jobs.quality.overview.drops import Stack
from jobs.quality.overview.words import against, exact, said

WIDTH, HEIGHT = 360.0, 132.0
LEFT, RIGHT, TOP, BOTTOM = 6.0, 354.0, 24.0, 110.0
LETTER = 6.0  # how wide one is
HEADROOM = 1.6  # a band that reaches far over every value is cut, or the values would be a flat line
MOST_WIDE = 22.0  # of a bar, where there are few days


@dataclass(frozen=True)
class Place:
    """A point, or a day's column: where, how it looks, what it says under the mouse."""

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class Chart:
    """One small picture. `outside`: days out of their band; `newest` stands beside the title."""

    name: str
    label: str
    newest: str
    note: str
    top: str
    foot: str
    outside: int
    bands: Sequence[str]
    lines: Sequence[str]
    dots: Sequence[Place]
    ticks: Sequence[Place]


@dataclass(frozen=True)
class Bars:
    """A stack of reasons a day, as shares of what came in: one path for each reason, and what a day says."""

    name: str
    wide: float
    top: str
    reasons: Sequence[tuple[str, str]]
    paths: Sequence[str]
    days: Sequence[Place]
    ticks: Sequence[Place]


def chart(series: Series, days: Sequence[str]) -> Chart:
    """A line with its band; days without a value are gaps, and marked on the axis."""
    known = [day for day in days if day in series.values]
    values = [series.values[day] for day in known]
    ends = [end for day in known for end in series.bands.get(day, ()) if abs(end) != float("inf")]
    low, high = _range(values, ends)
    place = {
        day: (_x(number, len(days)), _y(series.values.get(day, low), low, high)) for number, day in enumerate(days)
    }
    last = known[-1]
    first = days.index(known[0])
    dots = [_dot(series, day, place) for day in known]
    dots += [
        Place(round(place[day][0], 1), BOTTOM, "gap", f"{day}: missing")
        for day in days[first:]
        if day not in series.values
    ]
    return Chart(
        name=series.name,
        label=said(series.values[last], series.kind),
        newest=f"{last}{against(series, last)}",
        note="" if series.judged else "no rule judges it",
        top=said(high, series.kind),
        foot=said(low, series.kind),
        outside=sum(series.outside(day) for day in known),
        bands=list(_bands(series, days, place, low, high)),
        lines=list(_lines(known, days, place)),
        dots=dots,
        ticks=ticks(days),
    )


def bars(stack: Stack, days: Sequence[str]) -> Bars:
    """A stack a day, as high as its reasons' share of the rows that came in."""
    high = max((sum(parts) for parts in stack.shares.values()), default=0.0) or 1.0
    wide = round(min((RIGHT - LEFT) / len(days) * 0.82, MOST_WIDE), 1)
    paths: list[list[str]] = [[] for _ in stack.reasons]
    said_of = []
    for number, day in enumerate(days):
        if day in stack.shares:
            x, at = round(_x(number, len(days)) - wide / 2, 1), 0.0
            for path, share in zip(paths, stack.shares[day], strict=True):
                top, foot = _y(at + share, 0, high), _y(at, 0, high)
                path += [f"M{x} {top:.1f}h{wide}v{max(foot - top, 0.4):.1f}h-{wide}z"] if share else []
                at += share
            said_of.append(Place(x, TOP, "day", stack.titles[day]))
    reasons = [(name, f"{stack.totals[name]:,}") for name in stack.reasons]
    drawn = ["".join(path) for path in paths]
    return Bars(stack.name, wide, said(high, "share"), reasons, drawn, said_of, ticks(days))


def ticks(days: Sequence[str]) -> list[Place]:
    """Mondays as lines, with their number; the first of a month, or the first day, has the month's name."""
    found: list[Place] = []
    named: set[str] = set()
    for number, day in enumerate(days):
        at = date.fromisoformat(day)
        if at.weekday() and number:
            continue
        month = f"{at.day} {at:%b}" if day[:7] not in named else str(at.day)
        month = month if number < len(days) - 2 else ""
        named.add(day[:7])
        found.append(Place(round(_x(number, len(days)), 1), 0, "week", month))
    return list(_apart(found))


def _apart(found: Sequence[Place]) -> Iterator[Place]:
    """Words that would run into those before them, or the first into a month's, are left out."""
    free = LEFT
    for number, one in enumerate(found):
        following = found[number + 1].x if number == 0 and len(found) > 1 else RIGHT
        room = one.x >= free and one.x + LETTER * len(one.title) < following + LETTER
        free = one.x + LETTER * (len(one.title) + 1) if room and one.title else free
        yield one if room else Place(one.x, one.y, one.kind, "")


def _dot(series: Series, day: str, place: dict[str, tuple[float, float]]) -> Place:
    kind = "out" if series.outside(day) else "in"
    title = f"{day}: {exact(series.values[day], series.kind)}{against(series, day)}"
    return Place(round(place[day][0], 1), round(place[day][1], 1), kind, title)


def _range(values: Sequence[float], ends: Sequence[float]) -> tuple[float, float]:
    high = max([*values, *(min(end, HEADROOM * max(values)) for end in ends)])
    low = min([*values, *ends])
    low = min(low, 0.0) if low < 0.35 * high else low
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _x(number: int, days: int) -> float:
    return LEFT + (RIGHT - LEFT) * (number + 0.5) / days


def _y(value: float, low: float, high: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (min(max(value, low), high) - low) / (high - low)


def _groups(known: Sequence[str], days: Sequence[str]) -> Iterator[list[str]]:
    """Days that follow each other."""
    group: list[str] = []
    for day in days:
        if day in known:
            group.append(day)
        elif group:
            yield group
            group = []
    if group:
        yield group


def _lines(known: Sequence[str], days: Sequence[str], place: dict[str, tuple[float, float]]) -> Iterator[str]:
    for group in _groups(known, days):
        yield " ".join(f"{place[day][0]:.1f},{place[day][1]:.1f}" for day in group)


def _bands(
    series: Series, days: Sequence[str], place: dict[str, tuple[float, float]], low: float, high: float
) -> Iterator[str]:
    half = (RIGHT - LEFT) / len(days) / 2
    for group in _groups(list(series.bands), days):
        ends = [(place[day][0], series.bands[day]) for day in group]
        over = [f"{x + side * half:.1f},{_y(most, low, high):.1f}" for x, (_, most) in ends for side in (-1, 1)]
        under = [
            f"{x + side * half:.1f},{_y(least, low, high):.1f}" for x, (least, _) in reversed(ends) for side in (1, -1)
        ]
        yield " ".join([*over, *under])
