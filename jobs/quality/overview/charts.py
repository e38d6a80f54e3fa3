"""The overview's charts as places and labels: lines with bands, days as stacked bars, drawn as inline SVG by the template.

Not by models.evaluation.plots: for 90 days matplotlib takes 320 ms and 43 KB (a light and a dark picture, as data URIs, which
these pages' policy forbids). Here a chart takes 9 ms and 16 KB, and every point shows its numbers.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from jobs.quality.overview.expected_bands import DailyFigure
from jobs.quality.overview.series import DropReasons

WIDTH, HEIGHT = 360.0, 132.0
LEFT, RIGHT, TOP, BOTTOM = 6.0, 354.0, 24.0, 110.0
MOST_LABELS, LABEL_WIDTH = 6, 32.0
HEADROOM = 1.6  # a band that reaches far over every value is cut, or the values would be a flat line
MOST_WIDE = 22.0  # of a bar, where there are few days
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Mark:
    """A point, a day's column or a tick: its place, its look, and its text under the mouse or below the axis."""

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class LineChart:
    """One small picture. outside: days out of their band; newest: the last day and its band, beside the title.

    A line needs two days: of a single day the picture has no marks, and the template shows the number alone.
    """

    name: str
    label: str
    newest: str
    note: str
    top: str
    foot: str
    outside: int
    bands: Sequence[str]
    lines: Sequence[str]
    dots: Sequence[Mark]
    ticks: Sequence[Mark]


@dataclass(frozen=True)
class BarChart:
    """A stack of reasons a day, as shares of the rows that came in: one path for each reason, a text for each day."""

    name: str
    wide: float
    top: str
    reasons: Sequence[tuple[str, str]]
    paths: Sequence[str]
    days: Sequence[Mark]
    ticks: Sequence[Mark]


def line_chart(figure: DailyFigure, days: Sequence[str]) -> LineChart:
    """A line with its band; days without a value are gaps, and marked on the axis."""
    known = [day for day in days if day in figure.values]
    is_line = len(known) > 1
    values = [figure.values[day] for day in known]
    ends = [end for day in known for end in figure.bands.get(day, ()) if abs(end) != float("inf")]
    low, high = _range(values, ends)
    place = {
        day: (_x(number, len(days)), _y(figure.values.get(day, low), low, high)) for number, day in enumerate(days)
    }
    last = known[-1]
    first = days.index(known[0])
    dots = [_dot(figure, day, place) for day in known]
    dots += [
        Mark(round(place[day][0], 1), BOTTOM, "gap", f"{day}: missing")
        for day in days[first:]
        if day not in figure.values
    ]
    return LineChart(
        name=figure.name,
        label=short(figure.values[last], figure.kind),
        newest=f"{last}{usual_range(figure, last) if is_line else ', the only day so far'}",
        note="" if figure.judged or not is_line else "no rule judges it",
        top=short(high, figure.kind),
        foot=short(low, figure.kind),
        outside=sum(figure.outside(day) for day in known),
        bands=list(_bands(figure, days, place, low, high)),
        lines=list(_lines(known, days, place)),
        dots=dots if is_line else (),
        ticks=ticks(days),
    )


def bar_chart(drops: DropReasons, days: Sequence[str]) -> BarChart:
    """A stack a day, as high as its reasons' share of the rows that came in."""
    high = max((sum(parts) for parts in drops.shares.values()), default=0.0) or 1.0
    wide = round(min((RIGHT - LEFT) / len(days) * 0.82, MOST_WIDE), 1)
    paths: list[list[str]] = [[] for _ in drops.reasons]
    texts = []
    for number, day in enumerate(days):
        if day in drops.shares:
            x, at = round(_x(number, len(days)) - wide / 2, 1), 0.0
            for path, share in zip(paths, drops.shares[day], strict=True):
                top, foot = _y(at + share, 0, high), _y(at, 0, high)
                path += [f"M{x} {top:.1f}h{wide}v{max(foot - top, 0.4):.1f}h-{wide}z"] if share else []
                at += share
            texts.append(Mark(x, TOP, "day", drops.titles[day]))
    reasons = [(name, f"{drops.totals[name]:,}") for name in drops.reasons]
    drawn = ["".join(path) for path in paths]
    return BarChart(drops.name, wide, short(high, "share"), reasons, drawn, texts, ticks(days))


def ticks(days: Sequence[str]) -> list[Mark]:
    """A line for every Monday, of which few enough to have room for it are labelled; the first day, where none is one."""
    mondays = [number for number, day in enumerate(days) if number and date.fromisoformat(day).weekday() == 0] or [0]
    step = -(-len(mondays) // MOST_LABELS)
    labelled = (number for number in mondays[::step] if _x(number, len(days)) + LABEL_WIDTH < RIGHT)
    labels = {number: f"{date.fromisoformat(days[number]):%-d %b}" for number in labelled}
    return [Mark(round(_x(number, len(days)), 1), 0, "week", labels.get(number, "")) for number in mondays]


def _dot(figure: DailyFigure, day: str, place: dict[str, tuple[float, float]]) -> Mark:
    kind = "out" if figure.outside(day) else "in"
    title = f"{day}: {written(figure.values[day], figure.kind)}{usual_range(figure, day)}"
    return Mark(round(place[day][0], 1), round(place[day][1], 1), kind, title)


def _range(values: Sequence[float], ends: Sequence[float]) -> tuple[float, float]:
    high = max([*values, *(min(end, HEADROOM * max(values)) for end in ends)])
    low = min([*values, *ends])
    low = min(low, 0.0) if low < 0.35 * high else low
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _x(number: int, days: int) -> float:
    return LEFT + (RIGHT - LEFT) * (number + 0.5) / days


def _y(value: float, low: float, high: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (min(max(value, low), high) - low) / (high - low)


def _groups(known: Container[str], days: Sequence[str]) -> Iterator[list[str]]:
    """Known days that follow each other."""
    return (list(group) for is_known, group in groupby(days, lambda day: day in known) if is_known)


def _lines(known: Sequence[str], days: Sequence[str], place: dict[str, tuple[float, float]]) -> Iterator[str]:
    for group in _groups(known, days):
        yield " ".join(f"{place[day][0]:.1f},{place[day][1]:.1f}" for day in group)


def _bands(
    figure: DailyFigure, days: Sequence[str], place: dict[str, tuple[float, float]], low: float, high: float
) -> Iterator[str]:
    half = (RIGHT - LEFT) / len(days) / 2
    for group in _groups(figure.bands, days):
        ends = [(place[day][0], figure.bands[day]) for day in group]
        over = [f"{x + side * half:.1f},{_y(most, low, high):.1f}" for x, (_, most) in ends for side in (-1, 1)]
        under = [
            f"{x + side * half:.1f},{_y(least, low, high):.1f}" for x, (least, _) in reversed(ends) for side in (1, -1)
        ]
        yield " ".join([*over, *under])


def short(value: float, kind: str) -> str:
    """1234567 -> 1.23M, .0312 -> 3.12%, 7.5 -> 7.5 h."""
    if kind == "share":
        return f"{100 * value:.3g}%"
    if kind == "hours":
        return f"{value:.3g} h".replace("-", "−")
    for size, unit in UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def written(value: float, kind: str) -> str:
    """A count with all its digits; else as `short`."""
    return f"{value:,.0f}" if kind == "count" else short(value, kind)


def change(now: float, usual: float) -> str:
    """Difference from the usual value, such as −12%; empty where that is 0."""
    return f"{100 * (now - usual) / usual:+.0f}%".replace("-", "−") if usual else ""


def usual_range(figure: DailyFigure, day: str) -> str:
    """`, usual 12 to 15`; empty where the figure has no band."""
    low, high = figure.bands.get(day, (0.0, float("inf")))
    if high == float("inf"):
        return f", at least {short(low, figure.kind)}" if low > 0 else ""
    return f", usual {short(low, figure.kind)} to {short(high, figure.kind)}"
