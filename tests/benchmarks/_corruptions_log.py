"""Planted faults of the log's tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tests.benchmarks._corruptions import (
    Corruption,
    Fault,
    again,
    doubled,
    garbled,
    kept,
    later,
    lost,
    mapped,
    put,
    renamed,
    retyped,
    swapped,
    values,
)
from tests.benchmarks._shop_days import Day, Delivered


def bots(share: float) -> Fault:
    """One client repeats a few searches and clicks nothing."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        few = given.rows.slice(0, 50)
        n = int(given.rows.num_rows * share / few.num_rows)
        parts = [put(few, "search_id", pc.binary_join_element_wise(few["search_id"], str(k), "b")) for k in range(n)]
        storm = put(pa.concat_tables(parts), "client_id", "b0" * 16)
        for act in ("is_click", "is_cart", "is_purchase"):
            storm = put(storm, act, False)
        return given.having(pa.concat_tables([given.rows, storm]))

    return spoil


def dropping(reason: str, share: float) -> Fault:
    """The job dropped more lines than usual for one reason."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        n = given.dropped.get(reason, 0) + int(share * given.rows.num_rows)
        return replace(given, dropped={**given.dropped, reason: n})

    return spoil


def stating(**facts: Any) -> Fault:
    """The job stated this in its facts."""
    return lambda given, _: replace(given, facts={**given.facts, **facts})


def stale(days: int) -> Fault:
    """Made of the inputs of an earlier day."""
    return lambda given, _: replace(given, inputs_age_days=days)


def of_log() -> list[Corruption]:
    """Faults of impressions, and of what the log is added up to."""
    found: list[Corruption] = []

    def plant(name: str, *doses: tuple[str, Fault], table: str = "impressions") -> None:
        found.extend(Corruption(table, name, dose, spoil) for dose, spoil in doses)

    plant("nulls in a key", ("1 row", values(item_id=None)(0)), ("10%", values(item_id=None)(0.1)))
    plant("rows doubled", ("1 row", doubled(0)), ("5%", doubled(0.05)), ("the whole file", doubled(1)))
    plant("rows lost at random", ("10%", lost(0.1)), ("50%", lost(0.5)))
    plant(
        "hours lost",
        ("after 20:00", kept("searched_at", lambda at: at.dt.hour < 20)),
        ("after 12:00", kept("searched_at", lambda at: at.dt.hour < 12)),
    )
    plant(
        "day shifted", ("1 day", mapped("searched_at", later(-1))(1)), ("7 days", mapped("searched_at", later(-7))(1))
    )
    plant(
        "time zone shifted",
        ("1 hour", mapped("searched_at", later(1 / 24))(1)),
        ("6 hours", mapped("searched_at", later(-0.25))(1)),
    )
    plant(
        "timestamps in the future",
        ("1 row", mapped("searched_at", later(30))(0)),
        ("10%", mapped("searched_at", later(3))(0.1)),
    )
    plant("positions from 0", ("all", mapped("position", lambda p: p - 1)(1)))
    plant(
        "pages lost",
        ("after position 8", kept("position", lambda p: p <= 8)),
        ("after position 5", kept("position", lambda p: p <= 5)),
    )
    plant("clicks lost", ("30%", values(is_click=False)(0.3)), ("all", values(is_click=False)(1)))
    plant("clicks on everything", ("5%", values(is_click=True)(0.05)), ("all", values(is_click=True)(1)))
    plant(
        "carts without clicks",
        ("1% of rows", values(is_cart=True, is_click=False)(0.01)),
        ("10% of rows", values(is_cart=True, is_click=False)(0.1)),
    )
    plant(
        "a constant column",
        ("one client", values(client_id="ab" * 16)(1)),
        ("one query", values(query_id="0" * 40, query="buty")(1)),
    )
    plant(
        "columns swapped",
        ("session_id, search_id", swapped("session_id", "search_id")),
        ("query_id, item_id", swapped("query_id", "item_id")),
    )
    plant("bot storm", ("20% more rows", bots(0.2)), ("100% more rows", bots(1.0)))
    plant("empty day", ("no row", lost(1)))
    plant("the day delivered again", ("twice", again(2)), ("three times", again(3)))
    plant("column renamed", ("is_click", renamed("is_click", "clicked")))
    plant("column typed otherwise", ("position as text", retyped("position", pa.string())))
    plant("queries garbled", ("2%", mapped("query", garbled)(0.02)), ("all", mapped("query", garbled)(1)))
    plant(
        "queries cut",
        ("to 12 letters", mapped("query", lambda q: q.str[:12].str.strip())(1)),
        ("to 3 letters", mapped("query", lambda q: q.str[:3])(1)),
    )
    plant(
        "items of another catalogue",
        ("8%", mapped("item_id", lambda i: "z" + i)(0.08)),
        ("all", mapped("item_id", lambda i: "z" + i)(1)),
    )
    plant("raw client ids", ("1 row", values(client_id="jan@example.com")(0)))
    plant("two queries in a search", ("1 row", values(query_id="f" * 40)(0)))
    plant("client ids lost", ("20%", values(client_id=None)(0.2)), ("all", values(client_id=None)(1)))
    plant("more lines dropped", ("malformed, 3%", dropping("malformed", 0.03)), ("bot, 40%", dropping("bot", 0.4)))
    plant(
        "schema drift stated by the job",
        ("warn", stating(drift={"stop": 0, "warn": 1})),
        ("stop", stating(drift={"stop": 1, "warn": 0})),
    )
    plant("made of an earlier day's log", ("1 day", stale(1)))
    plant("made of a later day's log", ("1 day", stale(-1)))
    plant("rows lost in adding up", ("1%", lost(0.01)), ("10%", lost(0.1)), table="click_counts")
    plant(
        "added up twice", ("clicks", mapped("clicks", lambda c: c * 2)(1)), ("rows", doubled(1)), table="click_counts"
    )
    plant("searches added up twice", ("all", mapped("searches", lambda n: n * 2)(1)), table="query_counts")
    return found
