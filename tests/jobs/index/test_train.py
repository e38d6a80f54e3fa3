"""The trained index of a day: tuned and trained, or kept while its figures hold; killed, it leaves nothing half."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jobs.embeddings import embed as embeddings
from jobs.index import trained_index
from jobs.index.tune import FRONT, TrainedIndex
from jobs.lake.partitions import ITEMS, TRAINED_INDEX, Partition
from jobs.lake.read import Pinned, pin
from models.ann.families import parts
from tests.jobs.shop import DS, Shop, publish_tables, publish_towers
from tests.killed import killed_at

ROOT = Path(__file__).resolve().parents[3]
LATER = "2026-02-01"


@pytest.fixture
def shop(lake: Path) -> Shop:
    publish_tables()
    made = publish_towers()
    for number in range(2):
        at = made.embeddings(f"{number}of2")
        embeddings.main(embeddings.Args(made.items, made.towers, at))
    return made


def made(shop: Shop, ds: str = DS, **settings: object) -> Pinned:
    at = TRAINED_INDEX.at(ds=ds, space=shop.space)
    given = {"factory": "IVF8,SQ8", "tune_items": 1000, "recall_depth": 20} | settings
    trained_index.main(trained_index.Args(shop.embeddings(), shop.towers, shop.queries, at, **given))  # type: ignore[arg-type]
    return pin(at)


def test_trained_and_empty_with_its_front_and_canaries(shop: Shop) -> None:
    found = TrainedIndex.open(made(shop, qrels=shop.qrels))
    assert found.trained.ntotal == 0
    assert (parts(found.trained).ivf.nlist, found.factory) == (8, "IVF8,SQ8")
    assert found.canaries.shape == (40, 64)  # queries of split dev
    front = json.loads(found.pinned.path(FRONT).read_text("utf-8"))
    assert front["chosen"] in front["points"]
    assert front["chosen"]["recall"] >= 0.95
    # the same queries and items by exact search: it can only lose against that
    assert 0 < front["chosen"]["judged"]["R@60"] <= front["exact"]["R@60"] + 1e-9
    assert found.facts["decision"] == "trained"
    assert len(found.id) == 16


def test_auto_takes_flat_for_a_small_shop(shop: Shop) -> None:
    assert made(shop, factory="auto").facts["factory"] == "Flat"


def test_kept_while_its_figures_hold_and_named_by_the_same_id(shop: Shop) -> None:
    first = made(shop)
    kept = made(shop, LATER, previous=first.partition, factory="auto")
    assert kept.facts["decision"] == "kept"
    assert kept.facts["quantiser_id"] == first.facts["quantiser_id"]
    assert kept.facts["trained_on"] == DS
    assert kept.facts["now"] == first.facts["then"]  # the same catalogue: the same figures
    assert {one.name: one.sha256 for one in kept.manifest.files} == {
        one.name: one.sha256 for one in first.manifest.files
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"factory": "IVF16,SQ8"}, "factory IVF16,SQ8, was IVF8,SQ8"),
        ({"recall_target": 0.99}, "recall_target 0.99, was 0.95"),
    ],
)
def test_other_wishes_train_anew(shop: Shop, settings: dict[str, object], said: str) -> None:
    first = made(shop)
    found = made(shop, LATER, previous=first.partition, **settings)
    assert (found.facts["decision"], found.facts["reasons"]) == ("trained", [said])


def test_a_catalogue_that_shrank_to_a_third_trains_anew(shop: Shop) -> None:
    first = made(shop)
    publish_tables(keep=130)
    for number in range(2):
        at = shop.embeddings(f"{number}of2")
        embeddings.main(embeddings.Args(ITEMS.at(ds=DS), shop.towers, at))
    found = made(shop, LATER, previous=first.partition)
    assert found.facts["decision"] == "trained"
    assert "130 items, trained for 401" in found.facts["reasons"][0]


def test_a_quantiser_of_another_space_is_no_previous_one(shop: Shop) -> None:
    with pytest.raises(ValueError, match="of another space"):
        made(shop, previous=Partition.parse(f"trained_index/ds={DS}/space={'0' * 16}"))
    with pytest.raises(ValueError, match="max_growth"):
        made(shop, max_growth=0.5)


def test_killed_it_leaves_nothing_and_run_again_it_makes_the_same(shop: Shop) -> None:
    killed_at("trained_index.tuned", lambda: made(shop, LATER, recall_depth=100))
    with pytest.raises(LookupError):
        pin(TRAINED_INDEX.at(ds=LATER, space=shop.space))
    first = made(shop, recall_depth=100)
    again = made(shop, LATER, recall_depth=100)
    assert first.facts["quantiser_id"] == again.facts["quantiser_id"]
    np.testing.assert_array_equal(TrainedIndex.open(first).canaries, TrainedIndex.open(again).canaries)
