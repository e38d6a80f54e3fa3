"""Lists for clients, the bundle, its reader and the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.bundle.recommendations import Recommendations, open_recommendations
from jobs.lake.alias import pin_alias
from jobs.lake.partitions import (
    CO_OCCURRENCES,
    ITEM2VEC,
    ITEM_NEIGHBOURS,
    ITEMS,
    RECOMMENDATIONS,
    SESSION_ITEMS,
    USER_RECOMMENDATIONS,
    Partition,
)
from jobs.lake.read import pin, read_table
from jobs.recommendations import bundle, item_neighbours, recommend, user_recommendations
from jobs.serving import promote, verify
from tests.jobs.recommendations import shop
from tests.jobs.recommendations.shop import DS, PER_SERIES, name

BUNDLE, NEIGHBOURS = RECOMMENDATIONS.at(ds=DS), ITEM_NEIGHBOURS.at(ds=DS, method="hybrid")
CATALOGUE = ITEMS.at(ds=DS)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partition]:
    """A lake with neighbours and a bundle; the shard of content vectors."""
    root = tmp_path_factory.mktemp("serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shop.publish_items()
        shop.publish_sessions()
        shard = shop.publish_vectors("content")
        given = (ITEMS.at(ds=DS), CO_OCCURRENCES.at(ds=DS), shard, NEIGHBOURS)
        item_neighbours.main(item_neighbours.Args(*given, depth=20, pool=40))
        words = ITEM2VEC.at(ds=DS, method="content")
        bundle.main(bundle.Args(ITEMS.at(ds=DS), NEIGHBOURS, words, shard, BUNDLE, promote="on"))
        yield shard


def series(item: str) -> int:
    return int(item[1:]) // PER_SERIES


def for_clients(content: Partition, method: str, items: Partition = CATALOGUE, **settings: Any) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"lists": {"item_neighbours": NEIGHBOURS}, "vectors": {"embeddings": content}}.get(
        method, {}
    )
    place = USER_RECOMMENDATIONS.at(ds=DS, method=method)
    user_recommendations.main(user_recommendations.Args(SESSION_ITEMS.at(ds=DS), items, place, **given, **settings))
    rows: list[dict[str, Any]] = read_table(pin(place)).to_pylist()
    return rows


@pytest.mark.parametrize("method", ["lists", "vectors", "als"])
def test_active_clients_get_living_items_that_they_did_not_buy(content: Partition, method: str) -> None:
    rows = for_clients(content, method, depth=5, block_clients=16)
    seen: dict[str, list[int]] = {}
    bought: dict[str, set[str]] = {}
    for number, session in enumerate(shop.sessions()):
        if number % 10:
            seen.setdefault(f"c{number % 100:03d}", []).extend(session)
            bought.setdefault(f"c{number % 100:03d}", set()).add(name(session[-1]))
    # c050 to c099 were last here two months ago; every tenth session has no client
    assert [row["client_id"] for row in rows] == [f"c{number:03d}" for number in range(50) if number % 10]
    hits = total = 0
    for row in rows:
        assert not bought[row["client_id"]] & set(row["item_ids"]) and len(row["item_ids"]) == 5
        assert row["scores"] == sorted(row["scores"], reverse=True)
        own = {item // PER_SERIES for item in seen[row["client_id"]]}
        hits, total = hits + sum(series(item) in own for item in row["item_ids"]), total + 5
    assert hits / total > 0.7  # by chance five of twelve series


@pytest.mark.parametrize("method", ["lists", "als"])
def test_clients_are_not_shown_items_that_left(content: Partition, method: str) -> None:
    """Sessions and neighbour lists have them still; vectors of another catalogue are refused."""
    gone = 2 * PER_SERIES
    fewer = shop.publish_items("2026-02-02", left=gone)
    before = {name(row) for row in range(gone)} & {
        item for row in for_clients(content, method) for item in row["item_ids"]
    }
    assert before, "they were shown while they were there"
    shown = [item for row in for_clients(content, method, fewer) for item in row["item_ids"]]
    assert shown and not {name(row) for row in range(gone)} & set(shown)
    with pytest.raises(RuntimeError, match="embed this catalogue first"):
        for_clients(content, "vectors", fewer)


def test_a_later_visit_weighs_more(content: Partition) -> None:
    """With a decay of almost nothing, the last visited item's own neighbours come first."""
    lists = {row["item_id"]: row["neighbour_ids"] for row in read_table(pin(NEIGHBOURS)).to_pylist()}
    rows = {row["client_id"]: row for row in for_clients(content, "lists", decay=0.001, depth=3)}
    bought: dict[str, set[str]] = {}
    last: dict[str, str] = {}
    for number, session in enumerate(shop.sessions()):
        bought.setdefault(f"c{number % 100:03d}", set()).add(name(session[-1]))
        last[f"c{number % 100:03d}"] = name(session[-1])
    for client in ("c001", "c017"):
        fresh = [item for item in lists[last[client]] if item not in bought[client]]
        assert rows[client]["item_ids"][0] == fresh[0]


def opened(content: Partition) -> Recommendations:
    for_clients(content, "lists")
    return open_recommendations(pin(BUNDLE), pin(USER_RECOMMENDATIONS.at(ds=DS, method="lists")))


def test_a_service_reads_the_lists_of_items_new_items_and_clients(content: Partition) -> None:
    lists = opened(content)
    rows = {row["item_id"]: row for row in read_table(pin(NEIGHBOURS)).to_pylist()}
    for item in (name(3), name(17), name(71)):
        assert [hit.item_id for hit in lists.of_item(item, 7)] == rows[item]["neighbour_ids"][:7]
    assert lists.of_item("tonight") == []
    near = lists.of_new_item("Purple TENT", "home > tent", 3)
    assert [series(hit.item_id) for hit in near] == [2, 2, 2] and near[0].title.endswith("tent")
    client = read_table(pin(USER_RECOMMENDATIONS.at(ds=DS, method="lists"))).to_pylist()[0]
    assert [hit.item_id for hit in lists.of_user(client["client_id"], 4)] == client["item_ids"][:4]
    stranger = lists.of_user("nobody", 2)
    most = max(rows.values(), key=lambda row: row["support"])["support"]
    assert rows[stranger[0].item_id]["support"] == most


def test_a_bundle_whose_list_is_not_the_golden_one_is_refused(
    content: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = pin(BUNDLE)
    golden = json.loads(pinned.path("golden.json").read_text())
    assert len(golden) == 32 and all(0 < len(items) <= 10 for items in golden.values())
    item = next(iter(golden))
    monkeypatch.setattr("jobs.bundle.recommendations.json.loads", lambda data: _spoilt(data, item))
    with pytest.raises(RuntimeError, match="has the list"):
        open_recommendations(pinned)


_loads = json.loads


def _spoilt(data: bytes, item: str) -> Any:
    """Content of a file, with the golden list of one item turned round."""
    value = _loads(data)
    return {**value, item: value[item][::-1]} if item in value else value


def test_the_reader_loads_no_torch_spark_or_mlflow() -> None:
    code = "import sys, jobs.bundle.recommendations; print(*sys.modules)"
    root = Path(__file__).resolve().parents[3]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert not {one.partition(".")[0] for one in loaded.split()} & {"torch", "pyspark", "mlflow", "gensim", "implicit"}


def test_the_terminal_shows_what_the_service_would(content: Partition, capsys: pytest.CaptureFixture[str]) -> None:
    lists = opened(content)
    recommend.main(recommend.Args(item=name(3), top=5))
    shown = capsys.readouterr().out
    assert all(hit.item_id in shown for hit in lists.of_item(name(3), 5)) and lists.pinned.bundle_id in shown
    recommend.main(recommend.Args(title="purple tent"))
    assert "like 'purple tent'" in capsys.readouterr().out
    recommend.main(recommend.Args(user="c001", users=USER_RECOMMENDATIONS.at(ds=DS, method="lists")))
    assert lists.of_user("c001", 1)[0].item_id in capsys.readouterr().out
    with pytest.raises(LookupError, match="no item 'tonight' among 72"):
        recommend.main(recommend.Args(item="tonight"))
    with pytest.raises(ValueError, match="give one of"):
        recommend.Args(item="a", user="b")


def test_the_alias_moves_forward_alone_and_back_by_promote(content: Partition) -> None:
    alias, served = bundle.CHAMPION, pin_alias(bundle.CHAMPION)
    words = ITEM2VEC.at(ds=DS, method="content")
    given = (ITEMS.at(ds=DS), NEIGHBOURS, words, content)
    earlier, later = (RECOMMENDATIONS.at(ds=day) for day in ("2026-01-30", "2026-02-01"))
    assert bundle.main(bundle.Args(*given, earlier, promote="on"))["promoted"] is False
    assert bundle.main(bundle.Args(*given, later))["promoted"] is False
    assert pin_alias(alias) == served
    assert bundle.main(bundle.Args(*given, later, promote="on"))["promoted"] is True
    assert pin_alias(alias).partition == later
    promote.main(promote.Args(to="previous", alias=alias, registry="skip"))
    assert pin_alias(alias) == served
    # the last task of the DAG `rollback`
    assert verify.main(verify.Args(alias=alias))["index"] == str(served.partition)
