"""Names resolved once: which towers a run works with, and which partitions are not there yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, move_alias
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import EMBEDDINGS, INDEX, ITEM_FEATURES, PAIRS, RANKER, TOWERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform import ready
from jobs.serving import pin as job
from models.reranking.features import FEATURES

SPACE, OTHER = "7f3a5c1e9b2d4a60", "0000000000000000"
STAR = TOWERS.at(ds="2026-01-31", step="star")


@dataclass(frozen=True)
class Args:
    """x  anything"""

    x: str = ""


def made(partition: Partition, *inputs: Pinned, **facts: object) -> Pinned:
    """Publish a small partition with these inputs and facts."""
    with publish(partition, Args(), list(inputs)) as out:
        (out.folder / "data.txt").write_text(json.dumps(facts), encoding="utf-8")
        out.facts.update(facts)
    return pin(partition)


def promoted() -> Pinned:
    """A champion: an index whose inputs are its embeddings and its towers."""
    towers = made(STAR, space_id=SPACE)
    shard = made(EMBEDDINGS.at(ds="2026-01-31", space=SPACE, shard="0of1"), towers)
    index = made(INDEX.at(ds="2026-01-31", space=SPACE), shard, towers)
    move_alias(CHAMPION, index)
    return index


def test_without_a_champion_there_is_nothing_to_do(lake: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        job.main(job.Args())
    assert ended.value.code == 99


def test_named_towers_are_pinned_and_the_index_in_service_is_told(lake: Path) -> None:
    made(STAR, space_id=SPACE)
    first = {
        "towers": str(STAR),
        "space": SPACE,
        "items_space": SPACE,
        "champion": "",
        "item_features": "",
        **{f"previous_{name}": "" for name in ("embeddings", "trained_index", "codes")},
    }
    assert job.main(job.Args(STAR)) == first
    index = promoted()
    assert job.main(job.Args(STAR)) == {**first, "champion": str(index.partition)}


def test_the_champions_towers_are_those_it_was_made_with(lake: Path) -> None:
    promoted()
    found = job.main(job.Args())
    assert (found["towers"], found["space"]) == (str(STAR), SPACE)


def test_towers_trained_anew_since_are_not_taken_for_the_champions(lake: Path) -> None:
    promoted()
    made(STAR, space_id=OTHER)
    with pytest.raises(RuntimeError, match=f"none is in space {SPACE} any more"):
        job.main(job.Args())


def test_the_day_to_take_embeddings_over_from(lake: Path) -> None:
    made(STAR, space_id=SPACE)
    day = {"towers": STAR, "ds": "2026-02-10", "shards": 2}

    def shards(ds: str, *numbers: int, towers: str = SPACE, of: int = 2) -> list[Pinned]:
        return [made(EMBEDDINGS.at(ds=ds, space=towers, shard=f"{one}of{of}")) for one in numbers]

    def found(**more: int) -> object:
        return job.main(job.Args(**day, **more))["previous_embeddings"]

    assert found() == ""
    shards("2026-01-27", 0, 1)
    assert found() == "2026-01-27", "14 days back"
    shards("2026-01-26", 0, 1)
    assert found(previous_days=13) == ""
    shards("2026-02-10", 0, 1)  # the day itself
    shards("2026-02-11", 0, 1)  # a later one
    shards("2026-02-09", 1)  # a part of a day
    shards("2026-02-08", 0, 1, towers=OTHER)
    shards("2026-02-07", 0, 1, 2, of=3)
    assert found() == "2026-01-27"
    for one in shards("2026-02-05", 0, 1):
        newest = one
    assert found() == "2026-02-05"
    assert found(rebuild=1) == ""
    assert job.main(job.Args(STAR))["previous_embeddings"] == "", "nobody asked"
    verdict = {"verdict": "stop", "stops": ["a vector of norm 3"]}
    store.write_bytes(f"{newest.uri}/{VERDICT}", json.dumps(verdict).encode())
    assert found() == "2026-01-27", "what was stopped is not taken over"


def test_the_newest_sound_numbers_of_items_are_taken_and_their_absence_stops_nothing(lake: Path) -> None:
    made(STAR, space_id=SPACE)

    def newest(**more: object) -> object:
        return job.main(job.Args(STAR, **{"features_ds": "2026-02-10"} | more))["item_features"]

    assert newest() == ""
    for ds in ("2026-01-26", "2026-02-08", "2026-02-11"):
        made(ITEM_FEATURES.at(ds=ds))
    assert newest() == "item_features/ds=2026-02-08", "not a later day"
    today = made(ITEM_FEATURES.at(ds="2026-02-10"))
    assert newest() == "item_features/ds=2026-02-10" and newest(features_ds="") == ""
    store.write_bytes(f"{today.uri}/{VERDICT}", json.dumps({"verdict": "stop", "stops": ["a rate of -1"]}).encode())
    assert newest() == "item_features/ds=2026-02-08"
    assert newest(features_ds="2026-02-07") == "item_features/ds=2026-01-26"
    assert newest(features_ds="2026-02-07", previous_days=11) == ""


@pytest.mark.parametrize("wrong", [{"ds": "2026-02-30"}, {"shards": 0}, {"rebuild": 2}, {"previous_days": -1}])
def test_pin_refuses_what_is_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"is not a day|{next(iter(wrong))}=.*: expected"):
        job.Args(**wrong)  # type: ignore[arg-type]


def test_ready_lists_what_is_missing_and_waits_for_the_verdict(lake: Path) -> None:
    day, other = PAIRS.at(ds="2026-01-31"), PAIRS.at(ds="2026-01-30")
    both = f"{day},{other}"
    assert ready.main(ready.Args(both)) == {"missing": [str(day), str(other)]}
    pinned = made(day)
    assert ready.main(ready.Args(both)) == {"missing": [str(other)]}
    # published but not checked: only a gated reader still waits
    assert ready.main(ready.Args(str(day), gated=1)) == {"missing": [str(day)]}
    verdict = {"verdict": "warn", "stops": []}
    store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(verdict).encode())
    assert ready.main(ready.Args(str(day), gated=1)) == {"missing": []}
    # stopped: waiting would not mend it
    verdict = {"verdict": "stop", "stops": ["no pairs"]}
    store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(verdict).encode())
    with pytest.raises(RuntimeError, match="no pairs"):
        ready.main(ready.Args(str(day), gated=1))


@pytest.mark.parametrize("text", ["", ",", "pairs/ds=2026-01-31; ls", "pairs/ds=../x", "nothing/ds=2026-01-31"])
def test_ready_takes_addresses_alone(text: str) -> None:
    with pytest.raises(ValueError, match=r"partitions|found keys|is not|is no table"):
        ready.Args(text)


def listed(ds: str, unless: str = "reranking/champion", days: int = 6) -> object:
    """What a ranker of a day can learn from: its days and the day before them, or the code of a skip."""
    try:
        found = job.main(job.Args(listed_ds=ds, window_days=days, unless_ranked=unless))
    except SystemExit as ended:
        return ended.code
    return found["window_days"], found["bundle_ds"]


def test_a_ranker_learns_from_the_days_that_its_towers_have_not_seen(lake: Path) -> None:
    promoted()  # towers of 31 January
    assert listed("2026-01-31") == 99, "no day after them has ended"
    assert listed("2026-02-01") == (1, "2026-01-31")
    assert listed("2026-02-03") == (3, "2026-01-31")
    assert listed("2026-02-06") == (6, "2026-01-31")
    assert listed("2026-02-20") == (6, "2026-02-14")


def test_a_ranker_of_the_towers_in_service_leaves_nothing_to_mend(lake: Path) -> None:
    promoted()
    other = made(RANKER.at(ds="2026-01-24", kind="trees"), space_id=OTHER, features=[*FEATURES])
    move_alias("reranking/champion", other)
    assert listed("2026-02-01") == (1, "2026-01-31"), "one of other towers serves no more"
    move_alias("reranking/champion", made(RANKER.at(ds="2026-02-01", kind="trees"), space_id=SPACE, features=["older"]))
    assert listed("2026-02-01") == (1, "2026-01-31"), "this code makes other features"
    move_alias(
        "reranking/champion", made(RANKER.at(ds="2026-02-01", kind="trees"), space_id=SPACE, features=[*FEATURES])
    )
    assert listed("2026-02-02") == 99
    assert listed("2026-02-06", unless="") == (6, "2026-01-31"), "the weekly run trains all the same"
