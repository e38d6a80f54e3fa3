"""The values of the overview's template, from verdict records and alerts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.quality_page.aside import late, set_aside
from jobs.quality_page.attention import MOST_DAYS, attention, sentence, verdict
from jobs.quality_page.calendar import fields, months
from jobs.quality_page.days import Board
from jobs.quality_page.drawing import bars, chart
from jobs.quality_page.drops import stacks
from jobs.quality_page.record import WORST_FIRST, Record
from jobs.quality_page.series import rates, volumes
from jobs.quality_page.told import Told


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
