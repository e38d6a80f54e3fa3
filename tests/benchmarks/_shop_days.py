"""A shop's days for the fault bench: seeded, with a weekly season, noise, growth and a catalogue that changes a little."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.embeddings.sharding import shard_of
from tests.benchmarks import _shop_sessions as sessions
from tests.benchmarks import _shop_tables as tables

FIRST = date(2026, 1, 5)  # a Monday
SEASON = (1.0, 0.95, 0.97, 1.02, 1.15, 1.45, 1.35)
WINDOW_DAYS = 7
SEARCHES, QUERIES, CLIENTS, ITEMS, DIM = 1200, 1500, 700, 1200, 16
TOWERS, SHARD = "0123456789abcdef", "0of2"
WORDS = [
    "buty",
    "damskie",
    "męskie",
    "kubek",
    "lampa",
    "rower",
    "kabel",
    "usb",
    "czarny",
    "biały",
    "żółty",
    "mała",
    "duża",
    "zestaw",
    "sukienka",
    "torba",
    "kurtka",
    "słuchawki",
]
PATHS = (
    "Sport > Buty > Damskie",
    "Sport > Buty > Męskie",
    "Sport > Rowery",
    "Dom > Kuchnia > Kubki",
    "Dom > Lampy",
    "Moda > Sukienki",
    "Moda > Torby > Małe",
    "Moda > Kurtki",
    "Elektronika > Kable > USB",
    "Elektronika > Audio",
)


@dataclass(frozen=True)
class Delivered:
    """A job's output: its rows, what it dropped, what it measured and how old its inputs are.

    kept  rows that its accounts speak of; a fault that the job does not notice leaves them as they were
    """

    rows: pa.Table
    dropped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    inputs_age_days: int = 0
    kept: int = 0

    def having(self, rows: pa.Table) -> Delivered:
        """The same of other rows, unknown to the job."""
        return replace(self, rows=rows, kept=self.kept or self.rows.num_rows)


Day = dict[str, Delivered]


def day_of(number: int) -> str:
    """The bench's days count from 0."""
    return (FIRST + timedelta(days=number)).isoformat()


def sha1(text: str) -> str:
    """40 hexadecimal digits."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Shop:
    """Makes days in order; each follows from the seed and its number alone, the windows from those before it."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.texts = [" ".join(rng.choice(WORDS, rng.integers(1, 4))) + f" {n}" for n in range(QUERIES)]
        self.query_ids = [sha1(text) for text in self.texts]
        self.catalogue = self._catalogue(rng, ITEMS * 2)
        # the mean vector is not zero: real towers' never is
        vectors = rng.standard_normal((ITEMS * 2, DIM)) + rng.standard_normal(DIM) * 0.4
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        self.window: list[pd.DataFrame] = []
        self.events: list[pd.DataFrame] = []

    def _catalogue(self, rng: np.random.Generator, n: int) -> pd.DataFrame:
        place = rng.choice(len(PATHS), n, p=np.arange(len(PATHS), 0, -1) / 55)
        titles = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) + f" {k}" for k in range(n)]
        brands = np.where(rng.random(n) < 0.7, rng.choice(["Alfa", "Beta", "Gamma"], n), "")
        return pd.DataFrame(
            {
                "item_id": [f"i{k}" for k in range(n)],
                "title": titles,
                "category": np.array(PATHS)[place],
                "categories": [[path] for path in np.array(PATHS)[place].tolist()],
                "currency": "PLN",
                "brand": brands,
                "attributes": [[("kolor", "czarny")]] * n,
                "price": np.round(np.exp(rng.normal(3 + place / 4, 0.6)), 2),
                "group_id": [f"g{k // 2 if k % 5 == 0 else k}" for k in range(n)],
                "text": [f"{title} {brand}" for title, brand in zip(titles, brands, strict=True)],
            }
        ).assign(content_hash=lambda frame: frame["text"].map(sha1))

    def make(self, number: int) -> Day:
        """The tables of one day."""
        rng = np.random.default_rng([self.seed, number])
        alive = np.arange(number * 2, ITEMS + number * 3)  # some end every day, more begin
        shown = self._impressions(rng, number, alive)
        self.window = [*self.window, shown][-WINDOW_DAYS:]
        window = pd.concat(self.window)
        lines = int(len(shown) * 1.06)
        dropped = {
            "duplicate": int(lines * rng.normal(0.01, 0.001)),
            "bot": int(lines * rng.normal(0.05, 0.004)),
            "malformed": int(lines * rng.uniform(0.0005, 0.0015)),
        }
        ids = self.catalogue["item_id"].to_numpy()[alive]
        mine = alive[shard_of(pa.array(ids), 2) == 0]
        day = date.fromisoformat(day_of(number))
        # another stream, so that a table more leaves the others as they were
        more = np.random.default_rng([self.seed, number, 1])
        learnt = tables.pairs(window, set(ids))
        found = {
            "late_impressions": tables.late(self.window[-2] if number else shown, day, more),
            "click_counts": tables.click_counts(shown, day),
            "query_counts": tables.asked(shown, day),
            "queries": tables.queries(window),
            "propensities": tables.propensities(window, more),
            "qrels": tables.qrels(learnt),
            "negatives": tables.negatives(learnt, alive, more),
        }
        return {
            "items": Delivered(tables.table("items", self.catalogue.iloc[alive]), {"duplicate": 3}),
            "impressions": Delivered(tables.table("impressions", shown), dropped),
            **{name: Delivered(tables.table(name, frame)) for name, frame in found.items()},
            "pairs": Delivered(tables.table("pairs", learnt), {"item_ended": 20}),
            "embeddings": Delivered(self.embedded(mine), facts={"dim": DIM}),
            **self._sessions(number, ids, alive, day),
        }

    def _sessions(self, number: int, ids: np.ndarray, alive: np.ndarray, day: date) -> Day:
        """What is made of sessions; streams of their own."""
        rng = np.random.default_rng([self.seed, number, 2])
        volume = SEASON[number % 7] * (1 + 0.002 * number) * np.exp(rng.normal(0, 0.04))
        today = sessions.events(day, alive, volume, rng)
        self.events = [*self.events, today][-WINDOW_DAYS:]
        items, pairs = sessions.learnt(pd.concat(self.events), day)
        judged = {"less_popularity": 0.05 + rng.normal(0, 0.005), "less_best_other": rng.normal(0.005, 0.002)}
        made = {
            "session_events": today,
            "session_items": items,
            "co_occurrences": pairs,
            "item_neighbours": sessions.neighbours(ids, pairs, rng),
            "user_recommendations": sessions.of_clients(items, ids, rng),
        }
        facts = {"item_neighbours": {"judged": judged}}
        return {name: Delivered(tables.table(name, frame), facts=facts.get(name, {})) for name, frame in made.items()}

    def embedded(self, items: np.ndarray) -> pa.Table:
        """Vectors of some items."""
        rows = self.catalogue.iloc[items][["item_id", "content_hash"]]
        vectors = self.vectors[items]
        return tables.table("embeddings", rows.assign(embedding=list(vectors)))

    def _impressions(self, rng: np.random.Generator, number: int, alive: np.ndarray) -> pd.DataFrame:
        season = SEASON[number % 7] * (1 + 0.002 * number) * np.exp(rng.normal(0, 0.04))
        n, places = int(SEARCHES * season), 10
        zipf = 1 / np.arange(1, QUERIES + 1) ** 0.8
        query = rng.choice(QUERIES, n, p=zipf / zipf.sum())
        client = rng.choice(CLIENTS, n)
        hours = np.clip(rng.normal(15, 4.5, n), 0, 23.99)
        at = pd.Timestamp(day_of(number), tz="UTC") + pd.to_timedelta(hours * 3600, unit="s").round("s")
        row, position = np.repeat(np.arange(n), places), np.tile(np.arange(1, places + 1), n)
        item = alive[(query[row] * 37 + position * 11 + rng.integers(0, 3, len(row))) % len(alive)]
        click = rng.random(len(row)) < 0.22 / position**0.7
        cart = click & (rng.random(len(row)) < 0.3) | (rng.random(len(row)) < 0.0005)
        buy = cart & (rng.random(len(row)) < 0.4)
        hashed = np.array([sha1(f"client {k}")[:32] for k in range(CLIENTS)], object)[client]
        known = np.where(client % 10 == 0, None, hashed)
        frame = pd.DataFrame(
            {
                "search_id": np.array([f"s{number}-{k}" for k in range(n)], object)[row],
                "query_id": np.array(self.query_ids, object)[query][row],
                "query": np.array(self.texts, object)[query][row],
                "session_id": np.array([f"v{number}-{k}" for k in client], object)[row],
                "client_id": known[row],
                "item_id": self.catalogue["item_id"].to_numpy()[item],
                "position": position,
                "is_click": click,
                "is_cart": cart,
                "is_purchase": buy,
                "searched_at": at[row],
            }
        )
        return frame.sort_values(["search_id", "item_id", "position"], ignore_index=True)
