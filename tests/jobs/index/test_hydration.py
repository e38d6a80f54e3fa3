"""From purchases to weights, and from weights to what a service returns: vectors with numbers behind them, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from jobs.bundle.reader import Bundle, open_bundle
from jobs.datasets.judgements import relevance_scale
from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.evaluation import rankings
from jobs.index import build as index
from jobs.index import codes, fit_hydration
from jobs.index.hydration import Hydration, HydrationInputs
from jobs.lake.arrow import strings, where
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import CLICK_COUNTS, HYDRATION, ITEM_FEATURES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from tests.jobs.index.building import build, embed
from tests.jobs.reranking.ranked_shop import publish_numbers
from tests.jobs.shop import DS, Args, Shop, opened

Floats = NDArray[Any]
NUMBERS = "purchases_28,age_days"
DAYS = ("2026-02-01", "2026-02-02", "2026-02-03")
FEATURES = ITEM_FEATURES.at(ds=DS)
ASKED = ["red shoes", "Acme blue lamp", "kubala saw"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("hydration")) as made:
        publish_numbers(made)
        embed(made)
        for day in (DS, *DAYS):  # the towers have seen the first of them
            publish_purchases(made, day)
        yield made


def publish_purchases(shop: Shop, day: str, best: bool = True) -> None:
    """After a query people buy, of the items of its noun, those that sold best before, or worst; in whatever colour."""
    items = read_table(pin(shop.items), ["item_id", "title"])
    numbers = read_table(pin(FEATURES), ["item_id", "purchases_28"]).to_pydict()
    sold = dict(zip(numbers["item_id"], numbers["purchases_28"], strict=True))
    rows: list[tuple[Any, ...]] = []
    for query in read_table(pin(shop.queries), ["query_id", "query"]).slice(0, 80).to_pylist():
        noun = query["query"].split()[-1]
        mine = [row["item_id"] for row in items.to_pylist() if noun in row["title"]]
        for item in sorted(mine, key=lambda name: sold[name], reverse=best)[:4]:
            rows.append((date.fromisoformat(day), query["query_id"], item, None, 1, 5, 2, 1, 1))
    target = CLICK_COUNTS.at(ds=day)
    schema = arrow_schema(target.table)
    with publish(target, Args(target)) as out:
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
        out.write_table(pa.table(arrays, schema=schema))


def weigh(shop: Shop, ds: str = DAYS[-1], **more: Any) -> dict[str, Any]:
    given = shop.embeddings(), shop.towers, shop.queries, FEATURES, CLICK_COUNTS.at(ds=ds), hydration(shop, ds)
    settings = {"hydrate": "auto", "numbers": NUMBERS, "depth": 15, "pool": 120, "trials": 40} | more
    return fit_hydration.main(fit_hydration.Args(*given, **settings))


def hydration(shop: Shop, ds: str = DAYS[-1]) -> Partition:
    return HYDRATION.at(ds=ds, space=shop.space)


def test_weights_are_used_where_later_purchases_gain_by_more_than_chance(shop: Shop) -> None:
    done = weigh(shop)
    facts = pin(hydration(shop)).facts
    assert done["decision"] == "on" and facts["days"] == list(DAYS)
    assert facts["weights"][0] > 0.05 > abs(facts["weights"][1]) and facts["gain"]["low"] > 0.05
    # the 40 queries of split test neither fit nor decide: they only tell
    assert (facts["fitted_on"], facts["queries"], facts["test_queries"]) == (40, 40, 40)
    assert facts["test_gain"]["low"] > 0.05 and facts["tail_queries"] == 20


def test_weights_that_lose_on_the_last_day_are_not_used(shop: Shop) -> None:
    publish_purchases(shop, "2026-02-04", best=False)
    done = weigh(shop, "2026-02-04")
    assert done["decision"] == "off" and done["weights"][0] > 0.05 and "-0." in done["reason"]
    assert Hydration.open(HydrationInputs.pin(hydration(shop, "2026-02-04"), FEATURES)) is None
    assert weigh(shop, "2026-02-04", hydrate="on")["decision"] == "on"


def test_one_day_cannot_both_fit_and_judge(shop: Shop) -> None:
    done = weigh(shop, DAYS[0])
    assert done["decision"] == "off" and done["reason"].startswith("1 days after 2026-01-31")


def test_off_reads_nothing(shop: Shop) -> None:
    nothing = Partition.parse("embeddings/ds=2020-01-01/space=0000000000000000/shard=0of1")
    target = HYDRATION.at(ds="2026-02-09", space=shop.space)
    done = fit_hydration.main(
        fit_hydration.Args(nothing, shop.towers, shop.queries, FEATURES, CLICK_COUNTS.at(ds="2026-02-09"), target)
    )
    assert done["decision"] == pin(target).facts["decision"] == "off"


def test_numbers_of_before_the_towers_are_refused(shop: Shop) -> None:
    older = ITEM_FEATURES.at(ds="2026-01-30")
    with pytest.raises(ValueError, match="have seen the purchases"):
        fit_hydration.Args(
            *(shop.embeddings(), shop.towers, shop.queries, older, CLICK_COUNTS.at(ds=DAYS[0]), hydration(shop)),
            hydrate="auto",
        )


def expected(shop: Shop, weights: list[float]) -> tuple[list[str], Floats, Floats]:
    """Ids, vectors and what the numbers add to the score of each item, by another way than the index's: sorted ranks."""
    ids, vectors = read_vectors(pin_shards(shop.embeddings()))
    rows = read_table(pin(FEATURES), ["item_id", *NUMBERS.split(",")]).to_pydict()
    added = np.zeros(len(ids))
    for name, weight in zip(NUMBERS.split(","), weights, strict=True):
        by_id = dict(zip(rows["item_id"], rows[name], strict=True))
        values = np.array([by_id[item] for item in ids], np.float64)
        below, equal = values[:, None] > values, values[:, None] == values
        quantile = (below.sum(axis=1) + equal.sum(axis=1) / 2) / len(values)
        added += weight * np.rint(16 * (2 * quantile - 1)) / 32
    return ids, vectors, added


@pytest.mark.parametrize(
    "factory", ["Flat", "IVF16,SQ8", "IVF16,RaBitQ4,Refine(SQ8)", "HNSW16,SQ8", "IVF16,PQ6x4fs,Refine(SQ8)"]
)
def test_what_is_served_is_ranked_by_vectors_and_numbers(shop: Shop, factory: str) -> None:
    weigh(shop)
    build(shop, factory=factory, hydration=hydration(shop), item_features=FEATURES, sparse="off", recall_target=0.99)
    bundle = open_bundle(pin(shop.index))
    weights = bundle.facts["hydration"]["weights"]
    assert (bundle.dim, int(bundle.index.d), bundle.facts["format"]) == (64, 66, 3)
    ids, vectors, added = expected(shop, weights)
    queries = bundle.encode(ASKED)
    scores = queries @ vectors.T + added
    found = bundle.dense(queries, 20)
    best = np.argsort(-scores, axis=1)[:, :20]
    overlap = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(found.items, best, strict=True)])
    assert overlap >= (1.0 if factory == "Flat" else 0.9)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.items, axis=1), atol=0.03)
    plain = np.argsort(-(queries @ vectors.T), axis=1)[:, :20]
    assert np.mean([len(set(a) & set(b)) / 20 for a, b in zip(plain, best, strict=True)]) < 0.9
    # what the numbers take from an item's norm is not in its vector: near-duplicates are compared as before
    own = bundle.item_vectors(np.arange(len(ids)))
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    assert (own * vectors).sum(axis=1).min() > (0.97 if "PQ" not in factory else 0.8)


def test_recall_is_that_of_the_hydrated_vectors_and_the_titles_still_find_themselves(shop: Shop) -> None:
    weigh(shop)
    build(shop, hydration=hydration(shop), item_features=FEATURES, qrels=shop.qrels, lookalikes="0.97")
    tables = shop.index, shop.queries, shop.qrels, shop.items
    args = rankings.Args(*tables, shop.rankings, embeddings=shop.embeddings())
    rankings.main(args)
    facts = pin(shop.rankings).facts
    assert facts["index_recall"] >= 0.93 and facts["own_vector_frac"] == 1.0
    # what is tuned and fitted on dev queries is their hydrated search: R@60 of its exact lists, 20 deep, counted by hand
    bundle = open_bundle(pin(shop.index))
    told = bundle.facts["lost"]["R@60"]["exact"]
    ids, vectors, added = expected(shop, bundle.facts["hydration"]["weights"])
    assert told == pytest.approx(by_hand(shop, bundle, ids, vectors, added), abs=2e-3)
    assert abs(told - by_hand(shop, bundle, ids, vectors, 0 * added)) > 0.02


def by_hand(shop: Shop, bundle: Bundle, ids: list[str], vectors: Floats, added: Floats) -> float:
    """Mean share of a judged dev query's relevant items in its first 20."""
    dev = where(read_table(pin(shop.queries), ["query_id", "query", "split"]), "split", "dev").to_pylist()
    least = relevance_scale(pin(shop.qrels), 0.0)[0]
    relevant: dict[str, set[str]] = {}
    for row in read_table(pin(shop.qrels)).to_pylist():
        if row["relevance"] >= least:
            relevant.setdefault(row["query_id"], set()).add(row["item_id"])
    asked = [row for row in dev if row["query_id"] in relevant]
    scores = bundle.encode([row["query"] for row in asked]) @ vectors.T + added
    first = np.argsort(-scores, axis=1)[:, :20]
    shares = [
        len({ids[item] for item in items.tolist()} & relevant[row["query_id"]]) / len(relevant[row["query_id"]])
        for row, items in zip(asked, first, strict=True)
    ]
    return float(np.mean(shares))


def test_an_item_is_coded_anew_when_a_number_of_it_changes(shop: Shop, tmp_path: Path) -> None:
    weigh(shop)
    build(shop, hydration=hydration(shop), item_features=FEATURES, sparse="off")
    before = pin(shop.codes())
    later = ITEM_FEATURES.at(ds="2026-02-03")
    rows = read_table(pin(FEATURES))
    mine = strings(read_table(pin(shop.embeddings()), ["item_id"]), "item_id")
    ages = rows.column("age_days").to_numpy().copy()
    ages[rows.column("item_id").to_numpy() == mine[0]] = 1000  # the oldest of all; others keep their steps
    with publish(later, Args(later)) as out:
        out.write_table(rows.set_column(rows.column_names.index("age_days"), "age_days", pa.array(ages)))
    given = (shop.embeddings(), shop.trained_index)
    numbers: dict[str, Any] = {"hydration": hydration(shop), "item_features": later}
    target = shop.codes().having(ds="2026-02-03")
    other = "1of2"
    codes.main(codes.Args(shop.embeddings(other), given[1], shop.codes(other).having(ds="2026-02-03"), **numbers))
    done = codes.main(codes.Args(*given, target, previous=shop.codes(), **numbers))
    assert 1 <= done["coded"] < 0.2 * before.manifest.facts["items"] and done["ended"] == 0
    with pytest.raises(RuntimeError, match="give codes and index the same hydration"):
        wanted = (target, shop.trained_index, shop.embeddings(), shop.towers, shop.items, shop.queries, shop.index)
        index.main(index.Args(*wanted, hydration=hydration(shop), item_features=FEATURES, sparse="off"))
    with pytest.raises(RuntimeError, match=r"trained on vectors with purchases_28, age_days"):
        codes.main(codes.Args(*given, target))


def test_weights_need_the_numbers_that_they_weigh(shop: Shop) -> None:
    with pytest.raises(ValueError, match="give item_features too"):
        codes.Args(shop.embeddings(), shop.trained_index, shop.codes(), hydration=hydration(shop))
