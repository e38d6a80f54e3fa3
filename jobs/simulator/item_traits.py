"""Traits of the shop's items that shoppers may have a taste for: category, brand, price and size, where there are any."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.read import Pinned
from jobs.simulator.shop import Shop, delivered_columns
from models.simulator.arrays import Ints, Words
from models.simulator.browse import Companions, companions
from models.simulator.taste import ItemTraits, price_bands

SIZES = ("Rozmiar", "size", "Size")
RING = 2**31


@dataclass(frozen=True)
class TasteCatalogue:
    """Traits and companions of the shop's items; names: hash -> category, brand or size as the catalogue writes it."""

    traits: ItemTraits
    near: Companions
    names: dict[int, str]


def taste_catalogue(catalogue: Pinned, shop: Shop, seed: int) -> TasteCatalogue:
    """Read the traits of the items that the shop shows.

    Raises:
        ValueError: the catalogue has no categories.
    """
    columns = {name: _column(catalogue, name, shop.item_ids) for name in ("category", "brand", "price")}
    if columns["category"].isna().all():
        raise ValueError(f"{catalogue.partition}: found no category, expected one per item; --taste 0 needs none")
    names: dict[int, str] = {}
    hashes = _hashes(columns["category"], names)
    category_hashes = np.unique(hashes[hashes >= 0])
    categories = np.where(hashes >= 0, np.searchsorted(category_hashes, hashes), -1)
    prices = pd.to_numeric(columns["price"], errors="coerce").to_numpy(np.float64)
    traits = ItemTraits(
        categories,
        _hashes(columns["brand"], names),
        price_bands(categories, prices),
        _hashes(_sizes(catalogue, shop.item_ids), names),
        category_hashes,
    )
    tops = pd.factorize(pd.Series([names[each].partition(">")[0].strip() for each in category_hashes.tolist()]))[0]
    items = _hashes(pd.Series(shop.item_ids), {})
    return TasteCatalogue(traits, companions(seed, traits, items, tops.astype(np.int64)), names)


def _column(catalogue: Pinned, name: str, item_ids: Words) -> pd.Series[str]:
    """A column by item; missing where the catalogue lacks it."""
    try:
        rows = delivered_columns(catalogue, ["item_id", name]).to_pandas().drop_duplicates("item_id")
    except (LookupError, ValueError):
        return pd.Series([None] * len(item_ids), dtype=object)
    return rows.set_index("item_id")[name].reindex(pd.Index(item_ids)).reset_index(drop=True)


def _sizes(catalogue: Pinned, item_ids: Words) -> pd.Series[str]:
    """Sizes by item, of a map of attributes; missing in catalogues of another form."""
    known: dict[object, str] = {}
    for uri in catalogue.files():
        system, path = store.filesystem(uri)
        if (
            not uri.endswith(".parquet")
            or "attributes" not in (schema := pq.read_schema(path, filesystem=system)).names
        ):
            continue
        if not pa.types.is_map(schema.field("attributes").type):
            continue
        rows = pq.read_table(path, columns=["item_id", "attributes"], filesystem=system)
        attributes = rows["attributes"].combine_chunks()
        found = pc.coalesce(*(pc.map_lookup(attributes, key, "first") for key in SIZES))
        known |= dict(zip(rows["item_id"].to_pylist(), found.to_pylist(), strict=True))
    return pd.Series([known.get(item) for item in item_ids], dtype=object)


def _hashes(texts: pd.Series[str], names: dict[int, str]) -> Ints:
    """Texts as numbers below RING, the same on every day; -1 where there is none. names: filled."""
    codes, distinct = pd.factorize(texts)
    numbers = np.array([zlib.crc32(str(text).encode()) % RING for text in distinct], dtype=np.int64)
    names |= {int(number): str(text) for number, text in zip(numbers, distinct, strict=True)}
    return np.where(codes >= 0, numbers[np.maximum(codes, 0)] if len(numbers) else -1, -1)
