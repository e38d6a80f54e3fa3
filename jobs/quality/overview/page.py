"""The values of the overview's template, from verdict records and alerts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.quality.overview.alerts import Told
from jobs.quality.overview.attention import MOST_DAYS, attention, sentence, verdict
from jobs.quality.overview.calendar import fields, months
from jobs.quality.overview.charts import bars, chart
from jobs.quality.overview.days import Board
from jobs.quality.overview.drops import stacks
from jobs.quality.overview.record import WORST_FIRST, Record
from jobs.quality.overview.rejected import late, set_aside
from jobs.quality.overview.series import rates, volumes


def overview(records: Sequence[Record], alerts: Mapping[str, Sequence[Told]]) -> dict[str, Any]:
    """Everything that the overview shows."""
    board = Board(records, alerts)
    days = board.days
    shown = [one for (_, day), cell in board.cells.items() if day in set(days) for one in cell]
    rows = {series.name: series for series in volumes(board)}
    figures = list(rates(board))
    wanted = attention(board, rows, figures)
    last = days[-1] if days else ""
    return {
        "days": days,
        "tables": board.tables,
        "last": last,
        "sentence": sentence(board, last),
        "verdict": verdict(board, last),
        "checked_at": max((one["created_at"] for one in records), default=""),
        "counts": {word: sum(one["verdict"] == word for one in shown) for word in WORST_FIRST},
        "missing": sum(len(board.missing(day)) for day in days),
        "simulated": sum(one["simulated"] for one in shown),
        "attention": wanted[:MOST_DAYS],
        "more": [one.day for one in wanted[MOST_DAYS:]],
        "months": months(days),
        "fields": fields(board),
        "volumes": [chart(one, days) for one in rows.values() if one.values],
        "rates": [chart(one, days) for one in figures],
        "stacks": [bars(one, days) for one in stacks(board)],
        "aside": set_aside(board),
        "late": late(board),
        "cells": board.cells,
    }
