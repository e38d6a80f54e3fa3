"""Real sessions for the benchmark of recommendations: training sessions in order of time, and pairs (item, next item).

The last item of a session is predicted from the one before it. Settings are chosen on dev, figures are of test.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np

from tests.real_data import DATA

Session = tuple[str, list[str]]  # day, items
Pairs = list[tuple[str, str]]
RETAIL, YOOCHOOSE, PAPER = "Online Retail", "yoochoose 100k", "the paper's sessions"


@dataclass(frozen=True)
class Split:
    """Sessions to learn from, and pairs to predict. last_day: of the training sessions.

    people: of customers, all items of earlier baskets in order, and what is new in the next one. histories: the earlier
    items of every customer, with a next basket or without.
    """

    train: list[Session]
    pairs: Pairs
    last_day: str
    people: list[tuple[list[str], set[str]]] = field(default_factory=list)
    histories: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Dataset:
    """half_life_days: of a session's weight, chosen on dev from 0 (none), 4, 30, 60, 120."""

    name: str
    dev: Split
    test: Split
    half_life_days: float
    titles: dict[str, str] = field(default_factory=dict)


def datasets(wanted: str = "") -> Iterator[Dataset]:
    """The sets of real sessions whose name has this in it."""
    readers = {RETAIL: _retail, YOOCHOOSE: _yoochoose, PAPER: _paper}
    return (read() for name, read in readers.items() if wanted in name)


def _retail() -> Dataset:
    with gzip.open(DATA / "online-retail/transactions.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles = {row["StockCode"]: row["Description"] or "" for row in reversed(rows)}
    rows = [row for row in rows if not row["InvoiceNo"].startswith("C") and float(row["UnitPrice"]) > 0]
    baskets: list[Session] = []
    customers: list[str] = []
    for _, lines in groupby(rows, lambda row: row["InvoiceNo"]):
        listed = list(lines)
        items = list(dict.fromkeys(line["StockCode"] for line in listed))
        if len(items) > 1:
            baskets.append((listed[0]["InvoiceDate"][:10], items))
            customers.append(listed[0]["CustomerID"])

    def cut(first: str, after: str) -> Split:
        pairs = [(items[-2], items[-1]) for day, items in baskets if first <= day < after]
        people, histories = _people(baskets, customers, first, after)
        return Split([basket for basket in baskets if basket[0] < first], pairs, _before(first), people, histories)

    return Dataset(RETAIL, cut("2011-09-01", "2011-10-01"), cut("2011-10-01", "2011-11-01"), 120, titles)


def _people(
    baskets: list[Session], customers: list[str], first: str, after: str
) -> tuple[list[tuple[list[str], set[str]]], list[list[str]]]:
    """Customers with a basket before the month and one in it: what they had bought, and what is new in the next one; and the
    histories of all customers before the month."""
    before: dict[str, list[str]] = {}
    following: dict[str, list[str]] = {}
    for (day, items), customer in zip(baskets, customers, strict=True):
        if customer and day < first:
            before.setdefault(customer, []).extend(items)
        elif customer and day < after:
            following.setdefault(customer, items)
    both = [(before[name], set(items) - set(before[name])) for name, items in following.items() if name in before]
    return [(history, new) for history, new in both if new], list(before.values())


def _yoochoose() -> Dataset:
    train, valid = (_clicks(f"sessions/yoochoose-clicks-100k_{name}.tsv.gz") for name in ("train_tr", "train_valid"))
    at = len(train) * 8 // 10
    dev, test = ((train[:at], train[at:]), (train, valid))
    return Dataset(YOOCHOOSE, *(Split(some, _ends(later), some[-1][0]) for some, later in (dev, test)), 4)


def _clicks(name: str) -> list[Session]:
    """Sessions by the time of their last click."""
    clicks: dict[str, list[Any]] = {}
    with gzip.open(DATA / name, "rt") as file:
        next(file)
        for line in file:
            session, item, at = line.split()
            clicks.setdefault(session, []).append((float(at), item))
    ordered = sorted(clicks.values(), key=lambda some: some[-1][0])
    return [
        (datetime.fromtimestamp(some[-1][0], UTC).date().isoformat(), [item for _, item in some]) for some in ordered
    ]


def _ends(sessions: list[Session]) -> Pairs:
    """27% of the sessions end with one item twice: these are left out."""
    return [(items[-2], items[-1]) for _, items in sessions if len(items) > 1 and items[-2] != items[-1]]


def _paper() -> Dataset:
    """The paper's protocol, seed 4: each session without its last item trains; 1,000 sessions are dev, 1,000 test."""
    with gzip.open(DATA / "sessions/ecommerce_sessions.jsonl.gz", "rt") as file:
        sessions = [some for some in (json.loads(line)[0::2] for line in file) if len(some) > 2]
    chosen = np.random.RandomState(4).choice(len(sessions), 2000, replace=False)
    train = [("2026-01-31", [str(item) for item in some[:-1]]) for some in sessions]
    ends = [(str(sessions[row][-2]), str(sessions[row][-1])) for row in chosen]
    return Dataset(PAPER, *(Split(train, pairs, "2026-01-31") for pairs in (ends[1000:], ends[:1000])), 0)


def _before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
