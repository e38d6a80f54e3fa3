"""Neighbours of every item: who is near, what new items get, doubles, one arm alone, and a job that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.lake.arrow import strings
from jobs.lake.partitions import CO_OCCURRENCES, ITEM_NEIGHBOURS, ITEMS, Partition
from jobs.lake.read import pin, read_table
from jobs.recommendations import item_neighbours
from jobs.recommendations.neighbour_lists import Catalogue, NeighbourLists
from jobs.towers.resume import Scratch
from tests.jobs.recommendations import shop
from tests.jobs.recommendations.shop import DS, NEW, PER_SERIES, TWINS, name

Lists = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Partition]]:
    """A lake with all that neighbours are made of."""
    root = tmp_path_factory.mktemp("neighbours")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shop.publish_items()
        shop.publish_sessions()
        vectors = {method: shop.publish_vectors(method) for method in ("content", "prod2vec")}
        yield {"items": ITEMS.at(ds=DS), "co_occurrences": CO_OCCURRENCES.at(ds=DS), **vectors}


def at(method: str) -> Partition:
    return ITEM_NEIGHBOURS.at(ds=DS, method=method)


def made(tables: dict[str, Partition], method: str = "hybrid", **settings: Any) -> Lists:
    given: dict[str, Any] = {**tables, "item_neighbours": at(method), "depth": 20, "pool": 40, **settings}
    item_neighbours.main(item_neighbours.Args(**given))
    rows = read_table(pin(at(method))).to_pylist()
    assert [row["item_id"] for row in rows] == [name(number) for number in range(len(shop.titles()))]
    return {row["item_id"]: row for row in rows}


def series(item: str) -> int:
    return int(item[1:]) // PER_SERIES


def test_every_item_has_neighbours_of_its_series_and_none_twice(tables: dict[str, Partition]) -> None:
    lists = made(tables)
    for item, row in lists.items():
        near = row["neighbour_ids"]
        assert near and item not in near and len(near) == len(set(near)) == len(row["scores"])
        assert row["scores"] == sorted(row["scores"], reverse=True)
        assert [series(one) == series(item) for one in near[:3]] == [True] * 3
    # no session has these: content alone reaches their series
    assert [lists[name(row)]["support"] for row in NEW] == [0, 0]
    # two offers of one product are one thing, in every list and in their own
    twins = {name(row) for row in TWINS}
    assert all(len(twins & {item, *row["neighbour_ids"]}) <= 1 for item, row in lists.items())
    assert pin(at("hybrid")).facts["coverage"] == 1.0


def test_one_arm_alone_is_what_a_count_finds(tables: dict[str, Partition]) -> None:
    """`after`: sums of 1 / gap over clients, each with its best session, counted with plain loops."""
    voices: dict[tuple[int, int], dict[str, float]] = {}
    for number, session in enumerate(shop.sessions()):
        client = f"c{number % 100}" if number % 10 else f"s{number}"
        for first, second in permutations(range(4), 2):
            if first < second:
                pair = voices.setdefault((session[first], session[second]), {})
                pair[client] = max(pair.get(client, 0.0), 1 / (second - first))
    lists = made(tables, "after", near_duplicate=2.0)
    for source in range(20, 26):
        scores = Counter({b: sum(some.values()) for (a, b), some in voices.items() if a == source})
        found = lists[name(source)]["neighbour_ids"]
        best = [name(item) for item, _ in sorted(scores.items(), key=lambda one: (-round(one[1], 5), -one[0]))]
        assert found == best


def test_weights_are_fitted_on_dev_sessions_and_the_served_lists_judged_on_test(tables: dict[str, Partition]) -> None:
    holdout = shop.publish_holdout()
    given: dict[str, Any] = {**tables, "item_neighbours": at("hybrid"), "holdout_sessions": holdout, "min_sessions": 10}
    told = item_neighbours.main(item_neighbours.Args(**given, depth=30, pool=40))
    assert told["dev_sessions_known"] + told["dev_sessions_thin"] == 120 and told["dev_sessions_none"] == 0
    assert told["dev_rr_known"] >= told["dev_rr_known_before"] > 0.2
    facts = pin(at("hybrid")).facts
    assert facts["weights"]["none"]["after"] == 0
    assert sum(facts["weights"]["known"].values()) == pytest.approx(1, abs=1e-3)
    # the published lists, looked up one by one
    lists = {row["item_id"]: row["neighbour_ids"] for row in read_table(pin(at("hybrid"))).to_pylist()}
    ranks = [
        lists[name(session[-2])].index(name(session[-1])) + 1 if name(session[-1]) in lists[name(session[-2])] else 0
        for session in shop.sessions(seed=1, count=240)[::2]
    ]
    by_hand = np.mean([1 / rank if 0 < rank <= 25 else 0 for rank in ranks])
    judged = facts["judged"]
    assert judged["arms"]["served"]["all"]["RR@25"] == pytest.approx(by_hand, abs=1e-4)
    assert judged["sessions"]["all"] == 120 and judged["less_popularity"] > 0.1
    # items of a series go together in any order: what is served does not lose to its best arm
    assert judged["less_best_other"] > -0.02 and 0 < judged["p90_frac"] <= 0.9


def test_with_shuffled_sessions_nothing_beats_popularity(tables: dict[str, Partition], lake: Path) -> None:
    """A leak would still find targets where no session says anything."""
    shop.publish_items()
    shop.publish_sessions(shuffled=True)
    content = shop.publish_vectors("content")
    given: dict[str, Any] = {"items": ITEMS.at(ds=DS), "co_occurrences": CO_OCCURRENCES.at(ds=DS), "content": content}
    holdout = shop.publish_holdout(shuffled=True)
    place: dict[str, Any] = {"item_neighbours": at("together"), "holdout_sessions": holdout}
    told = item_neighbours.main(item_neighbours.Args(**given, **place, depth=30, pool=40))
    arms = told["judged"]["arms"]
    assert arms["served"]["all"]["RR@25"] < 2 * arms["popularity"]["all"]["RR@25"]


def test_blocks_and_inverted_lists_change_nothing(tables: dict[str, Partition]) -> None:
    """Up to the last bits: products of other shapes are rounded differently, and near ties far down change places."""
    once = made(tables)
    tried: tuple[dict[str, Any], ...] = ({"block_items": 7}, {"search": "ivf", "agreement": 1.0, "block_items": 72})
    for settings in tried:
        again = made(tables, **settings)
        for item, row in once.items():
            assert again[item]["neighbour_ids"][:4] == row["neighbour_ids"][:4]
            assert again[item]["scores"] == pytest.approx(row["scores"], abs=1e-5)
        assert len(pin(at("hybrid")).entries()) == (11 if settings["block_items"] == 7 else 1)


def test_a_killed_job_goes_on_and_ends_with_equal_bytes(
    tables: dict[str, Partition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings: dict[str, Any] = {"depth": 20, "pool": 40, "block_items": 9}
    made(tables, **settings)
    straight = shop.content_of(at("hybrid"))
    flags = {**tables, "item_neighbours": at("hybrid"), **settings}
    killed = subprocess.run(
        [sys.executable, "-m", "jobs", "item_neighbours", *(f"--{key}={value}" for key, value in flags.items())],
        env={**os.environ, "NIGHTSHELF_FAULT": "item_neighbours.block:4"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    scratch = Path(os.environ["NIGHTSHELF_HOME"]) / "scratch"
    assert len(list(scratch.glob("*/block-*.npz"))) == 8  # four blocks in each space
    made(tables, **settings)
    assert shop.content_of(at("hybrid")) == straight
    assert not list(scratch.iterdir())


def test_items_that_left_the_catalogue_are_nobodys_neighbours(tables: dict[str, Partition]) -> None:
    pairs = read_table(pin(tables["co_occurrences"]), ["other_id"])
    assert name(5) in strings(pairs, "other_id")
    catalogue = Catalogue.read(pin(tables["items"]))
    fewer = Catalogue(catalogue.ids.slice(6), catalogue.group[6:], catalogue.top[6:])
    space = Scratch(at("left"), shop.Args(at("left")), [])
    vectors = space.vectors("items", len(fewer), 2)
    vectors.append(np.ones((len(fewer), 2), np.float32))
    given: dict[str, Any] = {**tables, "item_neighbours": at("hybrid")}
    limits = item_neighbours.Args(**given).limits()
    some = NeighbourLists(fewer, pin(tables["co_occurrences"]), vectors, limits)
    known = some._co_occurrences(np.arange(len(fewer)))
    assert known.other.min() >= 0 and len(known.other) < pairs.num_rows
    space.remove()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"item_neighbours": at("guess")}, "expected method hybrid or one of"), ({"depth": 300}, "and depth <= pool")],
)
def test_settings_that_cannot_be(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = dict.fromkeys(("items", "co_occurrences", "content"), ITEMS.at(ds=DS))
    with pytest.raises(ValueError, match=message):
        item_neighbours.Args(**{**given, "item_neighbours": at("hybrid"), **change})
