"""Towers with items on both sides: what they learn from, what they know of items without a session, and their arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from jobs.embeddings import embed
from jobs.lake.arrow import texts
from jobs.lake.partitions import CO_OCCURRENCES, EMBEDDINGS, ITEM_NEIGHBOURS, ITEMS, PAIRS, TOWERS, Partition
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import client
from jobs.recommendations import item_neighbours
from jobs.towers import train
from jobs.towers.item_pairs import read_item_pairs
from tests.jobs.recommendations import shop
from tests.jobs.recommendations.shop import DS, NEW, PER_SERIES, name

AT = TOWERS.at(ds=DS, step="co_click")
SMALL: dict[str, Any] = {"dim": 32, "epochs": 6, "batch_size": 64, "lr": 0.02, "synthetic_queries": 0.0, "logq": "on"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A lake with co-occurrences and held-out sessions."""
    root = tmp_path_factory.mktemp("co_click")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shop.publish_items()
        shop.publish_sessions()
        yield {
            "items": ITEMS.at(ds=DS),
            "co_occurrences": CO_OCCURRENCES.at(ds=DS),
            "holdout_sessions": shop.publish_holdout(),
        }


def test_a_query_is_an_item_that_knows_itself_and_a_dev_query_its_target_alone(tables: dict[str, Any]) -> None:
    read = read_item_pairs(*(pin(tables[key]) for key in ("co_occurrences", "items", "holdout_sessions")))
    assert read.own_item is not None
    assert read.queries == [shop.titles()[row] for row in read.own_item]
    trained = read.query_split == "train"
    assert sorted(read.own_item[trained].tolist()) == [row for row in range(len(shop.titles())) if row not in NEW]
    # counted with plain loops: who was in one session with i020, and what followed it on dev
    beside = {item for session in shop.sessions() if 20 in session for item in session}
    targets = {some[-1] for some in shop.sessions(seed=1, count=240)[1::2] if some[-2] == 20}
    for row in np.flatnonzero(read.own_item == 20).tolist():
        known = set(read.known.of(np.array([row]))[1].tolist())
        assert known == (beside if trained[row] else targets)
    assert targets and len(read.of_split("dev")) == 120 and read.lost == 0


def test_items_without_a_session_find_their_series(tables: dict[str, Any]) -> None:
    """A title says as much of the colour as of the thing; co-occurrences say that the thing counts."""
    made = train.main(train.Args(**tables, towers=AT, **SMALL))
    assert made is not None and made["registered"] == "" and made["dev_queries"] > 30
    # an item that stood first in its own list would let no target stand before second
    assert made["RR@60"] > 0.5
    assert client().search_registered_models() == []
    space = EMBEDDINGS.at(ds=DS, space=str(made["space_id"]), shard="0of1")
    embed.main(embed.Args(items=tables["items"], towers=AT, embeddings=space))
    at = ITEM_NEIGHBOURS.at(ds=DS, method="co_click")
    given = {key: tables[key] for key in ("items", "co_occurrences")} | {"content": shop.publish_vectors("content")}
    item_neighbours.main(item_neighbours.Args(**given, co_click=space, item_neighbours=at, depth=10, pool=20))
    rows = read_table(pin(at))
    near = dict(zip(texts(rows.column("item_id")), rows.column("neighbour_ids").to_pylist(), strict=True))
    for row in NEW:
        assert [int(one[1:]) // PER_SERIES for one in near[name(row)][:3]] == [row // PER_SERIES] * 3
    # the arm is that of its own space: without it nothing is near
    made = item_neighbours.main(item_neighbours.Args(**given, item_neighbours=at, depth=10, pool=20))
    assert made["coverage"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"towers": TOWERS.at(ds=DS, step="in_batch")}, "expected step=co_click"),
        ({"shared": "off"}, "which share their weights"),
        ({"pairs": PAIRS.at(ds=DS)}, "no pairs"),
        ({"co_occurrences": Partition()}, "give pairs and queries, or for step=co_click co_occurrences"),
    ],
)
def test_sources_that_do_not_go_together(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"items": ITEMS.at(ds=DS), "co_occurrences": CO_OCCURRENCES.at(ds=DS), "towers": AT}
    with pytest.raises(ValueError, match=message):
        train.Args(**{**given, **change})
