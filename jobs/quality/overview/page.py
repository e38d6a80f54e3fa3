"""The values of the overview's template, from verdict records and alerts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.quality.overview.alerts import Alert
from jobs.quality.overview.attention import MOST_DAYS, attention, sentence, verdict
from jobs.quality.overview.calendar import fields, months
from jobs.quality.overview.charts import bar_chart, line_chart
from jobs.quality.overview.days import Board
from jobs.quality.overview.record import WORST_FIRST, Record
from jobs.quality.overview.rejected import late_logs, rejected
from jobs.quality.overview.series import drop_reasons, rates, volumes


def overview(records: Sequence[Record], alerts: Mapping[str, Sequence[Alert]]) -> dict[str, Any]:
    """Every value of the overview's template."""
    board = Board(records, alerts)
    days = board.days
    shown = [record for (_, day), cell in board.cells.items() if day in set(days) for record in cell]
    rows = {daily.name: daily for daily in volumes(board)}
    figures = list(rates(board))
    needing = attention(board, rows, figures)
    last = days[-1] if days else ""
    return {
        "days": days,
        "tables": board.tables,
        "last": last,
        "sentence": sentence(board, last),
        "verdict": verdict(board, last),
        "checked_at": max((record["created_at"] for record in records), default=""),
        "counts": {word: sum(record["verdict"] == word for record in shown) for word in WORST_FIRST},
        "missing": sum(len(board.missing(day)) for day in days),
        "simulated": sum(record["simulated"] for record in shown),
        "attention": needing[:MOST_DAYS],
        "more": [day.day for day in needing[MOST_DAYS:]],
        "months": months(days),
        "fields": fields(board),
        "volumes": [line_chart(daily, days) for daily in rows.values() if daily.values],
        "rates": [line_chart(daily, days) for daily in figures],
        "stacks": [bar_chart(drops, days) for drops in drop_reasons(board)],
        "rejected": rejected(board),
        "late": late_logs(board),
        "cells": board.cells,
    }
