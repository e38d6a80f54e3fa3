"""Figures in words: short on a chart, with all their digits where there is room."""

from __future__ import annotations

from jobs.quality.overview.bands import Series

SHORT = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def said(value: float, kind: str) -> str:
    """1234567 -> 1.23M, .0312 -> 3.12%, 7.5 -> 7.5 h."""
    if kind == "share":
        return f"{100 * value:.3g}%"
    if kind == "hours":
        return (f"{value:.3g} h" if abs(value) < 1000 else f"{value:,.0f} h").replace("-", "−")
    for size, mark in SHORT:
        if abs(value) >= size:
            return f"{value / size:.3g}{mark}"
    return f"{value:.3g}"


def change(now: float, usual: float) -> str:
    """-12% of what is usual; empty where nothing is."""
    return f"{100 * (now - usual) / usual:+.0f}%".replace("-", "−") if usual else ""


def against(series: Series, day: str) -> str:
    """`, usual 12 to 15`; empty where nothing is known of it."""
    low, high = series.bands.get(day, (0.0, float("inf")))
    words = f"{said(low, series.kind)} to {said(high, series.kind)}" if high < float("inf") else ""
    if not words:
        return f", at least {said(low, series.kind)}" if low > 0 else ""
    return f", usual {words}"


def exact(value: float, kind: str) -> str:
    """A count with all its digits; else as `said`."""
    return f"{value:,.0f}" if kind == "count" else said(value, kind)
