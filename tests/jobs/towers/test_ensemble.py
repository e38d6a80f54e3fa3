"""Members into one: the weights that dev queries choose, what a cascade would do, and the way to a served index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import TOWERS
from jobs.lake.read import pin
from jobs.towers import ensemble, train
from jobs.towers.ensemble import DevLists, choose
from models.training.batches import Known
from tests.jobs.towers.classroom import DS, IN_BATCH, SMALL, TABLES, publish_learning

OTHER, JOINED = TOWERS.at(ds=DS, step="star"), TOWERS.at(ds=DS, step="ensemble")


@pytest.fixture
def trained(lake: Path) -> Iterator[None]:
    publish_learning()
    for seed, target in enumerate((IN_BATCH, TOWERS.at(ds="2026-01-30", step="in_batch"))):
        train.main(train.Args(**TABLES, towers=target, seed=seed, **SMALL))  # type: ignore[arg-type]
    yield


def joined(**more: Any) -> dict[str, Any]:
    members = {"recall": IN_BATCH, "precision": TOWERS.at(ds="2026-01-30", step="in_batch")}
    return ensemble.main(ensemble.Args(**TABLES, **members, towers=JOINED, **more))


def test_two_trained_towers_become_one(trained: None) -> None:
    said = joined()
    towers, facts = load_towers(pin(JOINED)), pin(JOINED).facts
    assert towers.config.width == 32 and said["space_id"] == facts["space_id"]
    share = facts["precision_share"]
    assert towers.query_tower.weights == pytest.approx(np.array([1 - share, share]) / np.hypot(share, 1 - share))
    best = max(row["R@60"] for row in facts["tried"][2:])
    assert facts["chosen"]["R@60"] == best and [row["first"] for row in facts["cascades"]] == [100, 200]
    # a list of all items holds the same ones whatever puts them into order
    whole = facts["tried"][0]["R@60"]
    assert facts["cascades"][1]["R@60"] == pytest.approx(facts["tried"][1]["R@60"], abs=1e-9) and 0 < whole <= 1
    with pytest.raises(ValueError, match="train its members"):
        start = {"start": JOINED, "towers": OTHER, "restart": "off"}
        train.main(train.Args(**TABLES, **start, **SMALL))  # type: ignore[arg-type]


def dev(recall: np.ndarray, precision: np.ndarray) -> DevLists:
    """Four queries, of which each member ranks two right: query q wants item q. Vectors are given, not encoded."""
    items = np.concatenate([np.eye(200), np.eye(200)], axis=1).astype(np.float32) / 2**0.5
    queries = np.concatenate([recall, precision], axis=1).astype(np.float32) / 2**0.5
    relevant = Known(np.arange(4), np.arange(4), 4)
    evaluator = SimpleNamespace(
        queries=np.arange(4),
        items=np.arange(200),
        relevant=relevant,
        item_vectors=lambda towers: [items[:150], items[150:]],
    )
    made = DevLists(SimpleNamespace(), evaluator)  # type: ignore[arg-type]
    vars(made).update(dims=[200, 200], queries=queries)
    return made


def test_dev_queries_choose_the_share_and_a_cascade_keeps_the_recall_of_its_first_member() -> None:
    scores = np.tile(np.linspace(0.5, 0.1, 200)[::-1], (4, 1))  # the highest numbers first: items 0 to 3 come last
    recall, precision = scores.copy(), scores.copy()
    recall[[0, 1], [0, 1]] = 0.45  # within the first 60 of the recall member
    recall[[2, 3], [2, 3]] = 0.35  # within the first 100 of it
    precision[[0, 1], [0, 1]] = 0.35
    precision[[2, 3], [2, 3]] = 0.9
    facts = choose(dev(recall, precision), [0.3, 0.7])
    alone = {row["precision_share"]: row for row in facts["tried"]}
    assert alone[0.0]["R@60"] == 0.5 and alone[1.0]["R@60"] == 0.5 and alone[1.0]["RR@60"] == 0.5
    # of both, .7 * .45 + .3 * .35 = .42 is within the first 60, and .3 * .45 + .7 * .35 = .38 is not
    assert (facts["precision_share"], facts["chosen"]["R@60"], facts["gain_over_best_member"]["value"]) == (
        0.3,
        1.0,
        0.5,
    )
    # of 100 items the precision member lifts those of queries 2 and 3, and puts those of 0 and 1 last
    assert facts["cascades"][0] == {"first": 100, "R@60": 0.5, "RR@60": 0.5}
