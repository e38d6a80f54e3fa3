"""Shoppers with taste: none gives the bytes of before; some gives recommenders something to find, and nothing by a leak."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import Pinned, pin
from jobs.simulator import marketplace
from models.simulator.arrays import Ints
from models.simulator.taste import BANDS, LIVELY, ItemTraits, Shoppers, Taste, price_bands
from tests.jobs.simulator.simulated import DS, acts, sessions, simulated
from tests.session_models import co_session_knn, last_pairs, popularity, rr_at_25, shuffled

# content_sha256 of log and truth, recorded with the simulator as it was before shoppers had taste
BEFORE = {
    "ndjson": (
        "cbdae38b31c09b4807da047d29163236d8b7d8c092a41ae345d2f871a9d69160",
        "af7f9c29568ffe712858d3fdd567a48081c1a84aa5d133a829f452542dc27fdd",
    ),
    "parquet": (
        "0c73f185ffb4d9e75e707afa4cb6e286c46fec3f95dd0516a8a542ef06cc81c0",
        "7e55163c75046d9d0b11c559a30897164d5eea4f5636a0785e246fcfda78d9c9",
    ),
}
ODD = {
    "searches": 1500,
    "delayed_frac": 0.02,
    "personal_frac": 0.01,
    "rare_frac": 0.02,
    "redelivered_frac": 0.01,
    "skew_frac": 0.01,
    "storm_searches": 50,
}


def made(items: int, queries: int) -> None:
    marketplace.main(marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS), items=items, queries=queries))


@pytest.mark.parametrize("layout", ["ndjson", "parquet"])
def test_without_taste_the_bytes_are_those_of_before(lake: Path, layout: str) -> None:
    made(1500, 200)
    log, truth = simulated(layout=layout, taste=0.0, **ODD)
    assert (log.manifest.content_sha256, truth.manifest.content_sha256) == BEFORE[layout]


@pytest.fixture
def days(lake: Path) -> list[tuple[Pinned, Pinned]]:
    made(1500, 300)
    return [simulated(ds, searches=5000, taste=LIVELY) for ds in ("2026-01-29", "2026-01-30", DS)]


def test_recommenders_find_what_people_like_and_nothing_once_sessions_are_shuffled(
    days: list[tuple[Pinned, Pinned]],
) -> None:
    *before, last = [sessions(log) for log, _ in days]
    train = [items for day in before for items in day.values()]
    pairs = last_pairs(list(last.values()))
    popular, knn = (rr_at_25(model(train), pairs) for model in (popularity, co_session_knn))
    assert len(pairs) > 500
    assert knn >= 3 * popular, (knn, popular)
    # the same items in the same numbers: what a model then finds beyond popularity has leaked
    dealt = shuffled({name: items for day in (*before, last) for name, items in day.items()})
    train = [items for name, items in dealt.items() if not name.startswith(DS)]
    pairs = last_pairs([items for name, items in dealt.items() if name.startswith(DS)])
    popular, knn = (rr_at_25(model(train), pairs) for model in (popularity, co_session_knn))
    assert knn <= 1.1 * popular, (knn, popular)


def test_people_stay_in_their_homes_and_act_outside_searches(days: list[tuple[Pinned, Pinned]]) -> None:
    items = pq.read_table(pin(CATALOGUE.at(ds=DS)).path("items.parquet")).to_pandas().set_index("item_id")
    tastes = [pq.read_table(truth.path("tastes.parquet")).to_pandas() for _, truth in days]
    # the same people have the same taste on another day
    both = tastes[0].merge(tastes[2], on=["client_id", "home"])
    assert len(both) > 300
    for trait in ("category", "brand", "size", "price_band"):
        assert (both[f"{trait}_x"].fillna("") == both[f"{trait}_y"].fillna("")).all(), trait
    homes = tastes[2].groupby("client_id")["category"].agg(set)
    brands = tastes[2].groupby("client_id")["brand"].agg(set)
    clicked = pd.DataFrame(
        [(record["client_id"], item) for _, _, item, record in acts(days[2][0]) if "query_id" in record],
        columns=["client", "item"],
    )
    clicked = clicked[clicked["client"].isin(homes.index)]
    shop = items.loc[clicked["item"]]
    at_home = [category in homes[client] for client, category in zip(clicked["client"], shop["category"], strict=True)]
    liked = [brand in brands[client] for client, brand in zip(clicked["client"], shop["brand"], strict=True)]
    by_chance = [
        brand in brands[client] for client, brand in zip(clicked["client"].iloc[::-1], shop["brand"], strict=True)
    ]
    away = [
        category in homes[client]
        for client, category in zip(clicked["client"].iloc[::-1], shop["category"], strict=True)
    ]
    assert np.mean(at_home) > 0.55 > 4 * np.mean(away)
    assert np.mean(liked) > 1.5 * np.mean(by_chance)
    seen = Counter(
        (record["action_name"], record["event_attributes"].get("placement"), "query_id" in record)
        for _, _, _, record in acts(days[2][0])
    )
    for kind in (
        ("view", "offer_page", True),
        ("view", "offer_page", False),
        ("click", "recommendation", False),
        ("add_to_cart", "basket", False),
        ("purchase", "basket", False),
    ):
        assert seen[kind] > 0, kind


def shoppers(day: int = 739_000, drift_weeks: float = 0.0) -> Shoppers:
    rng = np.random.default_rng(1)
    categories: Ints = np.sort(rng.integers(0, 20, 400))
    hashes: Ints = np.sort(rng.integers(0, 2**31, 20))
    prices = rng.uniform(1, 99, 400)
    traits = ItemTraits(
        categories, rng.integers(0, 9, 400) * 1_000_003, price_bands(categories, prices), np.full(400, -1), hashes
    )
    return Shoppers(7, day, Taste(1.0, drift_weeks), traits, np.arange(20))


def test_homes_drift_after_weeks_if_they_may() -> None:
    clients = np.arange(2_000)
    first = shoppers().of(clients).homes
    assert (shoppers(739_100).of(clients).homes == first).all()
    first, week, later = (shoppers(739_000 + days, drift_weeks=4).of(clients).homes for days in (0, 7, 28))
    # a quarter of the clients move in a quarter of the time, all of them in the whole; a home may be drawn twice
    assert 0.15 < (first != week).any(axis=1).mean() < 0.3
    assert (first != later).any(axis=1).mean() > 0.95


def test_an_item_fits_by_brand_band_and_size() -> None:
    crowd = shoppers()
    clients = np.arange(50)
    items = np.tile(np.arange(400), (50, 1))
    fits = crowd.fit(clients, items)
    brand = crowd.favourites(
        np.repeat(clients, 400), np.tile(crowd.traits.categories, 50), crowd.traits.brands, "brand"
    )
    liked = crowd.traits.brands == brand.reshape(50, 400)
    band = crowd.traits.bands == crowd.of(clients).bands[:, None]
    # no item has a size, so every size fits
    np.testing.assert_allclose(fits, 0.5 * liked + 0.3 * band + 0.2)
    assert 0 < liked.mean() < 0.5 and liked.any(axis=1).all()
    assert fits[0, 0] != crowd.fit(clients[:1], np.array([[-1]]))[0, 0] == 0.0


def test_price_bands_are_equal_within_a_category() -> None:
    bands = price_bands(np.array([0] * 6 + [1] * 3 + [-1]), np.array([6, 5, 4, 3, 2, 1, 9, np.nan, 7, 1.0]))
    # six prices in bands of two; of two known prices the cheaper one is in the lowest band
    assert bands.tolist() == [2, 2, 1, 1, 0, 0, 1, -1, 0, -1]
    assert BANDS == 3
