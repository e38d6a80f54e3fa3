"""From click counts, by Spark: item_features with a static score, and listings of days that nobody has seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.datasets import item_features
from jobs.lake.arrow import strings
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import CLICK_COUNTS, ITEM_FEATURES, PROPENSITIES, QUERIES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.reranking import listings
from models.text.normalise import query_id
from tests.jobs.reranking.ranked_shop import LATER, listings_of, make
from tests.jobs.shop import DS, Args, Shop, opened

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
Row = dict[str, Any]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("clicks")) as made:
        make(made)
        put(PROPENSITIES.at(ds=LATER), [{"position": 1, "propensity": 1.0}, {"position": 2, "propensity": 0.5}])
        yield made


def put(to: Partition, rows: list[Row]) -> None:
    with publish(to, Args(to)) as out:
        out.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(to.table)))


def shown(query: str, item: str, day: str, position: int, impressions: int, clicks: int) -> Row:
    counts = {"position": position, "impressions": impressions, "clicks": clicks, "carts": 0, "purchases": 0}
    return {"day": date.fromisoformat(day), "query_id": query_id(query), "item_id": item, "group_id": item, **counts}


def put_clicks(day: str, rows: list[Row]) -> None:
    put(CLICK_COUNTS.at(ds=day), rows)


def test_listings_of_clicks_have_rates_by_examination(shop: Shop, spark: SparkSession) -> None:
    titles = read_table(pin(shop.items), ["item_id", "title"])
    red = [
        item
        for item, title in zip(strings(titles, "item_id"), strings(titles, "title"), strict=True)
        if "red shoes" in title.lower()
    ]
    first, second, third = red[:3]
    put_clicks("2026-02-06", [shown("red shoes", first, "2026-02-06", 1, 3, 1)])
    put_clicks(
        LATER,
        [
            shown("red shoes", first, LATER, 2, 12, 1),  # 3 + 6 examined, 2 clicks: a rate of 2 / 10
            shown("red shoes", second, LATER, 1, 4, 2),  # 2 / 5, the best
            shown("red shoes", third, LATER, 2, 6, 0),
            shown("red shoes", "ended", LATER, 1, 9, 9),  # not in the bundle: no row
            shown("nobody knows it", first, LATER, 1, 1, 1),
            shown("blue lamp", first, LATER, 1, 5, 0),  # nobody clicked
        ],
    )
    queries, law = QUERIES.at(ds=LATER), PROPENSITIES.at(ds=LATER)
    args = listings.Args(shop.index, queries, listings_of(shop), CLICK_COUNTS.at(ds=LATER), law, window_days=2)
    listings.main(args)
    rows = {row["item_id"]: row for row in read_table(pin(listings_of(shop))).to_pylist()}
    assert {row["query_id"] for row in rows.values()} == {query_id("red shoes")}
    found = [[rows[item][name] for item in (first, second, third)] for name in ("label", "weight", "position")]
    assert found[0] == pytest.approx([0.5, 1.0, 0.0])
    assert found[1] == pytest.approx([0.9, 0.8, 0.75])
    assert found[2] == [2, 1, 2]
    unseen = [row for item, row in rows.items() if item not in (first, second, third)]
    assert {(row["label"], row["position"]) for row in unseen} == {(0.0, 0)}
    (account,) = pin(listings_of(shop)).manifest.accounting
    assert (account.rows_in, account.rows_out) == (3, 1)
    assert account.dropped == {"query_unknown": 1, "no_click": 1}

    # every place counts as examined: 15 and 4 looks
    listings.main(replace(args, debias="off"))
    rows = {row["item_id"]: row for row in read_table(pin(listings_of(shop))).to_pylist()}
    assert rows[first]["label"] == pytest.approx((2 / 16) / (2 / 5))


def test_a_window_that_the_numbers_have_seen_is_refused(shop: Shop, spark: SparkSession) -> None:
    put_clicks(DS, [shown("red shoes", "x", DS, 1, 1, 1)])
    put_clicks("2026-02-01", [shown("red shoes", "x", "2026-02-01", 1, 1, 1)])
    window = CLICK_COUNTS.at(ds="2026-02-01")
    with pytest.raises(RuntimeError, match="a ranker would learn from features that know their labels"):
        listings.main(
            listings.Args(
                shop.index, QUERIES.at(ds=LATER), listings_of(shop), window, PROPENSITIES.at(ds=LATER), window_days=2
            )
        )


def test_item_features_expect_what_items_will_bring(shop: Shop, spark: SparkSession) -> None:
    """Two days of clicks, each item's the same share of both: its first day tells its second."""
    ids = strings(read_table(pin(shop.items), ["item_id"]), "item_id")
    rng = np.random.default_rng(0)
    rate = rng.random(len(ids))
    for day in (date(2026, 1, 30), date(2026, 1, 31)):
        clicks = rng.poisson(20 * rate)
        rows = [shown("q", item, str(day), 1, 50, int(n)) for item, n in zip(ids, clicks, strict=True)]
        put_clicks(str(day), rows)
    # a later day, which must not be read
    put_clicks(str(date(2026, 1, 31) + timedelta(days=1)), [shown("q", ids[0], "2026-02-01", 1, 9999, 9999)])
    at, law = ITEM_FEATURES.at(ds=DS), PROPENSITIES.at(ds=LATER)
    done = item_features.main(item_features.Args(CLICK_COUNTS.at(ds=DS), shop.items, law, at))
    assert done["rows"] == len(ids)
    table = read_table(pin(at)).sort_by("item_id")
    assert pin(at).facts["horizon_days"] == 1
    by_id = dict(zip(ids, rate, strict=True))
    wanted = [by_id[item] for item in strings(table, "item_id")]
    assert np.corrcoef(table["static_score"].to_numpy(), wanted)[0, 1] > 0.8
    assert table["examined_28"].to_numpy().max() == 100
    assert set(table["last_day"].to_pylist()) == {date(2026, 1, 31)}


def test_the_horizon_leaves_as_many_days_to_learn_from() -> None:
    assert item_features.horizon_of(["2026-01-31"], DS) == 0
    assert item_features.horizon_of(["2026-01-30", DS], DS) == 1
    assert item_features.horizon_of(["2026-01-19", DS], DS) == 1
    assert item_features.horizon_of(["2026-01-18", DS], DS) == 7
