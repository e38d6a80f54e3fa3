"""A shop whose people buy what their wording does not say: of the items with the right words, those that sell."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.lake.arrow import strings
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import ITEM_FEATURES, LISTINGS, QRELS, QUERIES, RANKER, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.reranking import listings, train
from models.reranking.numbers import NUMBERS
from models.text.normalise import normalise_query, query_id
from tests.jobs.index.building import build, embed
from tests.jobs.shop import BRANDS, COLOURS, DS, NOUNS, Args, Shop

LATER = "2026-02-07"


def make(shop: Shop) -> None:
    """Embed, publish numbers, build the bundle with them, publish queries and grades of a later day."""
    publish_numbers(shop)
    embed(shop)
    build(shop, qrels=shop.qrels, item_features=ITEM_FEATURES.at(ds=DS), cutoff="fixed")
    publish_grades(shop)


def publish_numbers(shop: Shop, last_day: str = DS) -> None:
    """Item features: purchases are what people want; the rest says nothing."""
    ids = strings(read_table(pin(shop.items), ["item_id"]), "item_id")
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.random(len(ids)) for name in NUMBERS}
    columns |= {name: rng.integers(1, 9, len(ids)) for name in ("age_days", "offers", "attributes")}
    columns |= {"item_id": ids, "first_day": [date(2026, 1, 1)] * len(ids)}
    columns["last_day"] = [date.fromisoformat(last_day)] * len(ids)
    target = ITEM_FEATURES.at(ds=DS)
    with publish(target, Args(target)) as out:
        out.write_table(pa.table({name: columns[name] for name in arrow_schema(target.table).names}))
        out.facts["window"] = {"days_read": [last_day]}


def publish_grades(shop: Shop) -> None:
    """Queries of all wordings, 60% train, 20% dev, 20% test; the grade of an item with all words: its purchases."""
    items = read_table(pin(shop.items), ["item_id", "title"])
    ids, titles = strings(items, "item_id"), strings(items, "title")
    table = read_table(pin(ITEM_FEATURES.at(ds=DS)), ["item_id", "purchases_28"]).to_pydict()
    sold = dict(zip(table["item_id"], table["purchases_28"], strict=True))
    words = [
        *(f"{colour} {noun}" for colour in COLOURS for noun in NOUNS),
        *(f"{brand} {noun}" for brand in BRANDS for noun in NOUNS),
    ]
    texts = [normalise_query(text) for text in words]
    splits = [("train", "train", "train", "dev", "test")[row % 5] for row in range(len(texts))]
    rows = [
        (query_id(text), item, 3.0 * (sold[item] > 0.5), split, "labels")
        for text, split in zip(texts, splits, strict=True)
        for item, title in zip(ids, titles, strict=True)
        if all(word in title.lower() for word in text.split())
    ]
    names = [query_id(text) for text in texts]
    queries = (names, texts, [1] * len(texts), ["head"] * len(texts), splits)
    tables: list[tuple[Partition, list[Any]]] = [
        (QUERIES.at(ds=LATER), list(queries)),
        (QRELS.at(ds=LATER), [list(column) for column in zip(*rows, strict=True)]),
    ]
    for target, columns in tables:
        with publish(target, Args(target)) as out:
            out.write_table(pa.table(dict(zip(arrow_schema(target.table).names, columns, strict=True))))
            out.facts.update(min_relevance=1.0, zero_gain=0.0)


def listings_of(shop: Shop) -> Partition:
    return LISTINGS.at(ds=LATER, space=shop.space)


def make_listings(shop: Shop) -> Partition:
    queries, qrels = QUERIES.at(ds=LATER), QRELS.at(ds=LATER)
    listings.main(listings.Args(shop.index, queries, listings_of(shop), qrels=qrels, unseen_weight=1.0))
    return listings_of(shop)


def trained(shop: Shop, kind: str, ds: str = LATER, **settings: object) -> Partition:
    ranker = RANKER.at(ds=ds, kind=kind)
    small = {"rounds": 60, "min_rows": 20, "epochs": 6, "hidden": 32, "patience": 60, "lr": 3e-3} | settings
    train.main(train.Args(listings=listings_of(shop), ranker=ranker, **small))  # type: ignore[arg-type]
    return ranker
