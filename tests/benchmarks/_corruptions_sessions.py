"""Planted faults of sessions, of pairs of items, and of the lists that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks._corruptions import Corruption, Fault, doubled, kept, later, lost, mapped, put, some, values
from tests.benchmarks._shop_days import Day, Delivered


def fact(name: str, **figures: float) -> Fault:
    """A fact of the job says something else."""
    return lambda given, _: replace(given, facts={**given.facts, name: {**given.facts[name], **figures}})


def lists(column: str, change: Callable[[np.ndarray], Any]) -> Callable[[float], Fault]:
    """The list of a column changed in a share of the rows."""
    return mapped(column, lambda rows: rows.map(lambda values: change(np.asarray(values))))


def emptied(items: str) -> Callable[[float], Fault]:
    """Lists of items, and their scores, without an entry, in a share of the rows."""

    def dosed(share: float) -> Fault:
        empty = {name: lists(name, lambda values: values[:0])(share) for name in (items, "scores")}
        return lambda given, day: empty["scores"](empty[items](given, day), day)

    return dosed


def listed_itself(given: Delivered, day: Day) -> Delivered:
    """An item heads its own list, in a hundredth of the rows."""
    ids, near = (given.rows[name].to_pandas() for name in ("item_id", "neighbour_ids"))
    own = pd.Series([[item, *rest[1:]] for item, rest in zip(ids, near, strict=True)])
    return mapped("neighbour_ids", lambda _: own)(0.01)(given, day)


def paired_with_itself(given: Delivered, day: Day) -> Delivered:
    """Pairs of an item with itself, in a hundredth of the rows."""
    return given.having(put(given.rows, "other_id", given.rows["item_id"], some(given.rows, 0.01)))


def of_sessions() -> list[Corruption]:
    """Faults of sessions and of what is learnt from them."""
    events: list[tuple[str, str, Fault]] = [
        ("events out of order", "5%", mapped("occurred_at", later(0.01))(0.05)),
        ("event doubled", "1 row", doubled(0)),
        ("events lost", "10%", lost(0.1)),
        ("whole sessions lost", "three quarters", kept("session_id", lambda s: s.str[0].isin(list("0123")))),
        ("one session id for everybody", "all", values(session_id="0" * 40)(1)),
        ("impressions among the actions", "1 row", values(action="impression")(0)),
        ("only purchases are left", "all", kept("action", lambda a: a == "purchase")),
        ("client ids in clear", "1 row", values(client_id="anna@example.com")(0)),
        ("events of the next day", "1%", mapped("day", lambda d: d + pd.Timedelta(days=1))(0.01)),
        ("events on nothing", "1 row", values(item_id="")(0)),
    ]
    items: list[tuple[str, str, Fault]] = [
        ("a session that never ends", "1 row", values(n_items=5_000)(0)),
        ("a place doubled", "1 row", doubled(0)),
        ("a session counts twice", "1%", values(weight=2.0)(0.01)),
        ("lengths of sessions lost", "all", values(n_items=1)(1)),
        ("days of the window lost", "70%", lost(0.7)),
    ]
    pairs: list[tuple[str, str, Fault]] = [
        ("an item paired with itself", "1%", paired_with_itself),
        ("pairs one way alone", "all", kept("item_id", lambda i: i.str[-1] < "5")),
        ("pair doubled", "1 row", doubled(0)),
        ("voices counted twice", "all", mapped("voices", lambda v: v * 100)(1)),
        ("weights negative", "1%", values(together=-1.0)(0.01)),
    ]
    return [
        *(Corruption("session_events", *one) for one in events),
        *(Corruption("session_items", *one) for one in items),
        *(Corruption("co_occurrences", *one) for one in pairs),
    ]


def of_lists() -> list[Corruption]:
    """Faults of neighbours of items and of lists for clients."""
    near: list[tuple[str, str, Fault]] = [
        ("an item in its own list", "1%", listed_itself),
        ("an item twice in a list", "1%", lists("neighbour_ids", lambda v: [v[0], v[0], *v[2:]])(0.01)),
        ("lists upside down", "all", lists("scores", lambda v: v[::-1])(1)),
        ("scores shifted", "1 row", lists("scores", lambda v: v[1:])(0)),
        ("lists empty", "3%", emptied("neighbour_ids")(0.03)),
        ("lists empty", "10%", emptied("neighbour_ids")(0.1)),
        ("items without a list", "1 row", lost(0)),
        ("two lists of an item", "1 row", doubled(0)),
        ("lists of another catalogue", "1 row", values(item_id="other")(0)),
        ("learnt of shuffled sessions", "all", fact("judged", less_popularity=-0.001)),
        ("weights fitted the wrong way", "all", fact("judged", less_best_other=-0.03)),
    ]
    people: list[tuple[str, str, Fault]] = [
        ("a client twice", "1 row", doubled(0)),
        ("an empty list", "1 row", emptied("item_ids")(0)),
        ("an item twice in a list", "1%", lists("item_ids", lambda v: [v[0], v[0], *v[2:]])(0.01)),
        ("lists upside down", "all", lists("scores", lambda v: v[::-1])(1)),
        ("clients lost", "70%", lost(0.7)),
    ]
    return [
        *(Corruption("item_neighbours", *one) for one in near),
        *(Corruption("user_recommendations", *one) for one in people),
    ]
