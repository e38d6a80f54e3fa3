"""Planted faults of the catalogue, of what is learnt from, and of vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from tests.benchmarks._corruptions import (
    Corruption,
    Fault,
    doubled,
    garbled,
    kept,
    lost,
    mapped,
    put,
    some,
    swapped,
    to_train,
    values,
)
from tests.benchmarks._shop_days import DIM, Day, Delivered, Shop

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def moved(change: Change, share: float = 1.0) -> Fault:
    """Vectors changed in a share of the rows."""

    def spoil(given: Delivered, day: Day) -> Delivered:
        vectors = np.stack(given.rows["embedding"].to_numpy(zero_copy_only=False))
        hit = some(given.rows, share)
        vectors[hit] = change(vectors[hit], np.random.default_rng(7))
        column = pa.array(list(vectors.astype(np.float32)), given.rows.schema.field("embedding").type)
        return given.having(put(given.rows, "embedding", column))

    return spoil


def unit(vectors: np.ndarray) -> np.ndarray:
    """Of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rotated(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another model's: every norm and every cosine stays."""
    return vectors @ np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]


def towards_one(strength: float) -> Change:
    """Vectors drawn towards one direction."""
    return lambda vectors, rng: unit(vectors + strength * rng.standard_normal(DIM) / np.sqrt(DIM))


def nan(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One component is not a number."""
    vectors[:, 3] = np.nan
    return vectors


def dead(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One dimension is the same for all."""
    vectors[:, 3] = 0.0
    return unit(vectors)


def other_shard(given: Delivered, day: Day) -> Delivered:
    """The other shard's vectors under this one's name."""
    mine = set(given.rows["item_id"].to_pylist())
    theirs = [int(name[1:]) for name in day["items"].rows["item_id"].to_pylist() if name not in mine]
    return given.having(Shop().embedded(np.array(theirs)))


def of_items() -> list[Corruption]:
    """Faults of the catalogue."""
    faults: list[tuple[str, str, Fault]] = [
        ("prices x100", "5%", mapped("price", lambda p: p * 100)(0.05)),
        ("prices x100", "all", mapped("price", lambda p: p * 100)(1)),
        ("prices lost", "20%", values(price=None)(0.2)),
        ("category level dropped", "10%", mapped("category", lambda c: c.str.rpartition(" > ")[0])(0.1)),
        ("category level dropped", "all", mapped("category", lambda c: c.str.rpartition(" > ")[0])(1)),
        ("a constant column", "category", values(category="Sport > Buty > Damskie")(1)),
        ("a category vanished", "3% of items", kept("category", lambda c: c != "Elektronika > Kable > USB")),
        ("titles cut to 10 letters", "5%", mapped("title", lambda t: t.str[:10])(0.05)),
        ("titles cut to 10 letters", "all", mapped("title", lambda t: t.str[:10])(1)),
        ("titles garbled", "0.5%", mapped("title", garbled)(0.005)),
        ("titles garbled", "all", mapped("title", garbled)(1)),
        ("titles empty", "1 row", values(title="")(0)),
        ("brands lost", "10%", values(brand="")(0.1)),
        ("brands lost", "all", values(brand="")(1)),
        ("items lost", "10%", lost(0.1)),
        ("items lost", "25%", lost(0.25)),
        ("items lost", "60%", lost(0.6)),
        ("item doubled", "1 row", doubled(0)),
        ("columns swapped", "title, brand", swapped("title", "brand")),
        ("pages of HTML for titles", "1%", mapped("title", lambda t: "<p>" + t * 30)(0.01)),
    ]
    return [Corruption("items", *one) for one in faults]


def of_pairs() -> list[Corruption]:
    """Faults of pairs and queries."""
    nothing = float("nan")
    pairs: list[tuple[str, str, Fault]] = [
        ("weight not a number", "1 row", values(weight=nothing)(0)),
        ("weight negative", "1 row", values(weight=-1.0)(0)),
        ("weights otherwise", "x1.15", mapped("weight", lambda w: w * 1.15)(1)),
        ("weights otherwise", "x3", mapped("weight", lambda w: w * 3)(1)),
        ("test queries in training", "1 query", to_train(0)),
        ("test queries in training", "all", to_train(1)),
        ("orphans", "an item", values(item_id="zz")(0)),
        ("orphans", "5% of queries", mapped("query_id", lambda q: q.str[::-1])(0.05)),
        ("clicks counted twice", "all", mapped("clicks", lambda c: c * 2)(1)),
        ("bought more often than shown", "1 row", values(purchases=1000)(0)),
        ("pair doubled", "1 row", doubled(0)),
        ("days of the window lost", "30%", lost(0.3)),
        ("days of the window lost", "75%", lost(0.75)),
    ]
    queries: list[tuple[str, str, Fault]] = [
        ("query doubled", "1 row", doubled(0)),
        ("tail queries lost", "most of them", kept("segment", lambda s: (s != "tail") | (s.index % 4 == 0))),
        ("queries moved to another split", "1% of test", to_train(0.01)),
        ("queries moved to another split", "half of test", to_train(0.5)),
        ("searches counted twice", "all", mapped("searches", lambda n: n * 2)(1)),
    ]
    return [*(Corruption("pairs", *one) for one in pairs), *(Corruption("queries", *one) for one in queries)]


def of_vectors() -> list[Corruption]:
    """Faults of embeddings."""
    faults: list[tuple[str, str, Fault]] = [
        ("zero vectors", "1 row", moved(lambda v, _: v * 0, 0)),
        ("doubled vectors", "10%", moved(lambda v, _: np.repeat(v[:1], len(v), 0), 0.1)),
        ("doubled vectors", "60%", moved(lambda v, _: np.repeat(v[:1], len(v), 0), 0.6)),
        ("vectors of another model", "10%", moved(rotated, 0.1)),
        ("vectors of another model", "all", moved(rotated)),
        ("shards swapped", "all", other_shard),
        ("vectors lost", "1 row", lost(0)),
        ("vectors lost", "25%", lost(0.25)),
        ("not a number", "1 row", moved(nan, 0)),
        ("a dead dimension", "all", moved(dead)),
        ("collapse", "weak", moved(towards_one(0.5))),
        ("collapse", "strong", moved(towards_one(8.0))),
        ("norms off", "1.01", moved(lambda v, _: v * 1.01)),
        ("vectors of each other's items", "all", moved(lambda v, rng: rng.permutation(v))),
    ]
    return [Corruption("embeddings", *one) for one in faults]
