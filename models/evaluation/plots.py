"""Plots as SVG data URIs, in a light and a dark version, so that a report needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

SIZE_INCHES = (5.2, 3.0)
_ROW_LETTERS = 50  # of a legend's names in one row; longer ones squeeze the picture


class Plot(NamedTuple):
    """One plot for both colour schemes, as `data:image/svg+xml;base64,...`."""

    light: str
    dark: str


class Scheme(NamedTuple):
    """Colours of one scheme: text, grid, and one hue per line, told apart by colour-blind eyes."""

    text: str
    grid: str
    hues: tuple[str, ...]


LIGHT = Scheme("#3b4252", "#dfe3ea", ("#0b6bcb", "#c2410c", "#0f766e", "#7c5cbf", "#8a8f98"))
DARK = Scheme("#c9d1dc", "#323a46", ("#6cb6ff", "#ff9e64", "#5eead4", "#c4a7f5", "#8b949e"))


def _figure(scheme: Scheme) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(scheme.grid)
    axes.tick_params(colors=scheme.text, length=0, labelsize=9)
    axes.grid(axis="y", color=scheme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _sideways(scheme: Scheme, names: Sequence[str]) -> tuple[Figure, Axes, NDArray[np.int64]]:
    """A figure with a line for each name, the first on top, as tall as they need; and their heights."""
    figure, axes = _figure(scheme)
    figure.set_size_inches(SIZE_INCHES[0], max(SIZE_INCHES[1], 0.34 * len(names) + 0.9))
    places = np.arange(len(names))[::-1]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="x", color=scheme.grid, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    return figure, axes, places


def _label(axes: Axes, scheme: Scheme, x: str, y: str) -> None:
    axes.set_xlabel(x, color=scheme.text, fontsize=9)
    axes.set_ylabel(y, color=scheme.text, fontsize=9)
    if names := axes.get_legend_handles_labels()[1]:
        # above the picture, where no curve and no bar can run into it
        axes.legend(
            frameon=False,
            fontsize=9,
            labelcolor=scheme.text,
            ncols=5 if sum(map(len, names)) < _ROW_LETTERS else 2,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0,
            handlelength=1.2,
            columnspacing=1.2,
        )


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    # a fixed salt and no date: the same figures make the same bytes
    with rc_context({"svg.hashsalt": "nightshelf", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    marks: Sequence[tuple[float, float, str]] = (),
    log_x: bool = False,
) -> Plot:
    """Draw named curves (xs, ys); marks are single points (x, y, text) worth a ring."""

    def draw(scheme: Scheme) -> str:
        figure, axes = _figure(scheme)
        for (name, (xs, ys)), hue in zip(curves.items(), scheme.hues, strict=False):
            dots = "o" if len(xs) < 12 else None
            axes.plot(xs, ys, color=hue, linewidth=2, label=name, marker=dots, markersize=4)
        for mark_x, mark_y, text in marks:
            axes.plot([mark_x], [mark_y], "o", mfc="none", mec=scheme.text, markersize=11)
            axes.annotate(text, (mark_x, mark_y), (8, -14), textcoords="offset points", color=scheme.text, fontsize=9)
        if log_x:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _label(axes, scheme, x, y)
        if len(curves) < 2 and (legend := axes.get_legend()):
            legend.remove()
        return _data_uri(figure)

    return Plot(draw(LIGHT), draw(DARK))


def spans(
    curves: Mapping[str, Sequence[tuple[float, tuple[float, float, float]]]], x: str, y: str, log_x: bool = False
) -> Plot:
    """Draw named curves of points (x, (value, low, high)), each with its interval as a bar."""

    def draw(scheme: Scheme) -> str:
        figure, axes = _figure(scheme)
        for number, (name, points) in enumerate(curves.items()):
            hue = scheme.hues[number % len(scheme.hues)]
            xs = [place for place, _ in points]
            value, low, high = (np.array([span[end] for _, span in points]) for end in range(3))
            axes.plot(xs, value, color=hue, linewidth=2, label=name, marker="o", markersize=4)
            axes.vlines(xs, low, high, color=hue, linewidth=1.2, alpha=0.6)
        if log_x:
            axes.set_xscale("log", base=2)
        if log_x or len({place for points in curves.values() for place, _ in points}) < 9:
            places = sorted({place for points in curves.values() for place, _ in points})
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.minorticks_off()
        _label(axes, scheme, x, y)
        return _data_uri(figure)

    return Plot(draw(LIGHT), draw(DARK))


def bars(groups: Sequence[str], series: Mapping[str, Sequence[float]], y: str) -> Plot:
    """Draw grouped bars: one group per name on the x axis, one hue per series."""

    def draw(scheme: Scheme) -> str:
        figure, axes = _figure(scheme)
        places = np.arange(len(groups))
        width = 0.8 / max(len(series), 3)
        for number, ((name, values), hue) in enumerate(zip(series.items(), scheme.hues, strict=False)):
            shift = (number - (len(series) - 1) / 2) * width
            axes.bar(places + shift, values, width * 0.92, color=hue, label=name)
        axes.set_xticks(places, groups)
        _label(axes, scheme, "", y)
        return _data_uri(figure)

    return Plot(draw(LIGHT), draw(DARK))


def spread(groups: Sequence[str], series: Mapping[str, Sequence[float]], x: str) -> Plot:
    """Draw a dot for each series on a line for each group: names of any length stay legible, zero need not show."""

    def draw(scheme: Scheme) -> str:
        figure, axes, places = _sideways(scheme, groups)
        values = np.array(list(series.values()))
        axes.hlines(places, values.min(axis=0), values.max(axis=0), color=scheme.grid, linewidth=3)
        for (name, row), hue in zip(series.items(), scheme.hues, strict=False):
            axes.plot(row, places, "o", color=hue, label=name, markersize=6.5)
        _label(axes, scheme, x, "")
        return _data_uri(figure)

    return Plot(draw(LIGHT), draw(DARK))


def forest(rows: Sequence[tuple[str, tuple[float, float, float]]], x: str) -> Plot:
    """Draw intervals (value, low, high) under each other, each with its name, around a line at 0."""

    def draw(scheme: Scheme) -> str:
        figure, axes, places = _sideways(scheme, [name for name, _ in rows])
        for place, (_, (value, low, high)) in zip(places, rows, strict=True):
            hue = scheme.hues[4] if low <= 0 <= high else scheme.hues[2 if value > 0 else 1]
            axes.hlines(place, low, high, color=hue, linewidth=2)
            axes.plot([value], [place], "o", color=hue, markersize=5)
        axes.axvline(0, color=scheme.text, linewidth=0.8)
        _label(axes, scheme, x, "")
        return _data_uri(figure)

    return Plot(draw(LIGHT), draw(DARK))
