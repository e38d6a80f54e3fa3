"""Planted faults of late rows, of position bias, of judgements and of hard negatives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks._corruptions import (
    Corruption,
    Fault,
    again,
    doubled,
    kept,
    lost,
    mapped,
    put,
    some,
    to_train,
    values,
)
from tests.benchmarks._shop_days import Day, Delivered

Lists = Callable[[list[Any]], list[Any]]


def listed(column: str, change: Lists, share: float) -> Fault:
    """Lists changed in a share of the rows."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        hit = some(given.rows, share)
        found = [change(row) if one else row for row, one in zip(given.rows[column].to_pylist(), hit, strict=True)]
        kind = given.rows.schema.field(column).type
        return given.having(put(given.rows, column, pa.array(found, kind)))

    return spoil


def at_places(change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """Propensities changed, by place."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        found = change(given.rows["propensity"].to_numpy().copy())
        return given.having(put(given.rows, "propensity", pa.array(found)))

    return spoil


def second(times: float) -> Fault:
    """The second place is looked at more or less than it is."""
    return at_places(lambda seen: np.where(np.arange(len(seen)) == 1, seen * times, seen))


def days_earlier(days: int) -> Fault:
    """One row says that its search was so many days before."""
    return mapped("day", lambda found: found - timedelta(days=days))(0)


def of_late() -> list[Corruption]:
    """Faults of late rows."""
    faults: list[tuple[str, str, Fault]] = [
        ("late row doubled", "1 row", doubled(0)),
        ("late row of the day itself", "1 row", days_earlier(-1)),
        ("late row of a year ago", "1 row", days_earlier(365)),
        ("late rows say nothing new", "1 row", values(is_click=False, is_new=False)(0)),
        ("a source ran behind", "x2", again(2)),
        ("a source ran behind", "x8", again(8)),
        ("late rows lost", "90%", lost(0.9)),
        ("raw client ids", "1 late row", values(client_id="ala@example.com")(0)),
    ]
    return [Corruption("late_impressions", *one) for one in faults]


def of_propensities() -> list[Corruption]:
    """Faults of position bias."""
    faults: list[tuple[str, str, Fault]] = [
        ("propensity not a number", "1 place", values(propensity=float("nan"))(0)),
        ("propensity of nothing", "1 place", values(propensity=0.0)(0)),
        ("all places alike", "all", at_places(np.ones_like)),
        ("relative to the second place", "all", at_places(lambda seen: seen / seen[1])),
        ("a steeper bias", "squared", at_places(np.square)),
        ("one place is sponsored", "x2", second(2)),
        ("one place is overlooked", "x0.5", second(0.5)),
        ("places lost", "60%", kept("position", lambda place: place <= 4)),
        ("clicks without impressions", "1 place", mapped("clicks", lambda n: n + 10**6)(0)),
    ]
    return [Corruption("propensities", *one) for one in faults]


def of_judgements() -> list[Corruption]:
    """Faults of judgements."""
    faults: list[tuple[str, str, Fault]] = [
        ("judgement doubled", "1 row", doubled(0)),
        ("grade not a number", "1 row", values(relevance=float("nan"))(0)),
        ("grades on another scale", "x10", mapped("relevance", lambda grade: grade * 10)(1)),
        ("grades upside down", "all", mapped("relevance", lambda grade: 3 - grade)(1)),
        ("people's grades lost", "all", kept("source", lambda source: source != "labels")),
        ("people's grades lost", "half", kept("source", lambda source: (source != "labels") | (source.index % 2 == 0))),
        ("test queries judged as training", "1% of test", to_train(0.01)),
        ("test queries judged as training", "all", to_train(1)),
        ("judged queries nobody has", "5%", mapped("query_id", lambda ids: ids.str[::-1])(0.05)),
        ("judged items that ended", "30%", mapped("item_id", lambda ids: "x" + ids)(0.3)),
        ("judgements lost", "30%", lost(0.3)),
        ("judgements lost", "75%", lost(0.75)),
    ]
    return [Corruption("qrels", *one) for one in faults]


def of_negatives() -> list[Corruption]:
    """Faults of hard negatives."""
    faults: list[tuple[str, str, Fault]] = [
        ("query doubled", "1 row", doubled(0)),
        ("score not a number", "1 row", listed("scores", lambda row: [float("nan"), *row[1:]], 0)),
        ("vectors not of length 1", "scores x3", listed("scores", lambda row: [3 * score for score in row], 1)),
        ("ranks cut", "1 row", listed("ranks", lambda row: row[:-1], 0)),
        ("an item twice in its list", "1 row", listed("item_ids", lambda row: [row[0], row[0], *row[2:]], 0)),
        ("random items for hard ones", "60%", listed("ranks", lambda row: [0] * len(row), 0.6)),
        ("items that ended", "all", listed("item_ids", lambda row: [f"x{item}" for item in row], 1)),
        ("queries without negatives", "20%", lost(0.2)),
        ("queries without negatives", "50%", lost(0.5)),
    ]
    return [Corruption("negatives", *one) for one in faults]
