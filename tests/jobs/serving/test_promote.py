"""Promotion and rolling back: one write, a history, a way back that holds, and never a past day over a later one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.lake.alias import CHAMPION, all_histories, move_alias, pin_alias, read_history, rollback_order
from jobs.lake.partitions import INDEX, NOWHERE, REPORT, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.serving.promote import Args, main

ROOT = Path(__file__).resolve().parents[3]
SPACE = "7f3a7f3a7f3a7f3a"


@dataclass(frozen=True)
class Made:
    """partition  output"""

    partition: Partition = NOWHERE


def make(partition: Partition, **facts: object) -> Pinned:
    with publish(partition, Made(partition)) as out:
        (out.folder / "file.json").write_text("{}")
        out.facts.update(facts)
    return pin(partition)


def index(day: int, **facts: object) -> Pinned:
    return make(INDEX.at(ds=f"2026-01-{day:02d}", space=SPACE), **facts)


def back(to: str) -> dict[str, object]:
    return main(Args(to=to, registry="skip"))


def serving() -> str:
    return pin_alias(CHAMPION).bundle_id


@pytest.fixture
def four(lake: Path) -> list[Pinned]:
    """Four days, each promoted over the one before."""
    made = [index(day, items=100 * day) for day in (1, 2, 3, 4)]
    for one in made:
        move_alias(CHAMPION, one)
    return made


def test_a_past_day_that_passes_its_gate_is_not_promoted_over_a_later_one(lake: Path) -> None:
    move_alias(CHAMPION, index(31))
    served = INDEX.at(ds="2026-01-31", space=SPACE)
    past = REPORT.at(ds="2026-01-30", space=SPACE)
    make(past, verdict="pass", reasons=[], champion={})
    found = main(Args(report=past))
    assert found["promoted"] is False
    assert "later day" in found["reasons"][0]
    assert pin_alias(CHAMPION).partition == served


def test_rolling_back_twice_ends_two_bundles_before(four: list[Pinned]) -> None:
    first, second, third, fourth = (one.bundle_id for one in four)
    assert back("previous")["previous"] == str(four[3].partition)
    assert serving() == third
    assert back("previous")["id"] == second == serving()
    # forward again by the digits that tell it from the others, then back to what served before
    length = next(n for n in range(1, 13) if len({one.bundle_id[:n] for one in four}) == 4)
    back(fourth[:length])
    assert serving() == fourth
    back("previous")
    assert serving() == second, "the third was rolled back from: it is not on the way back"
    assert [event.id for event in read_history(CHAMPION)] == [
        second,
        fourth,
        second,
        third,
        fourth,
        third,
        second,
        first,
    ]


def test_what_follows_a_bad_bundle_falls_back_to_what_served_in_between(four: list[Pinned]) -> None:
    back("previous")
    move_alias(CHAMPION, fresh := index(5))
    assert serving() == fresh.bundle_id
    back("previous")
    assert serving() == four[2].bundle_id


def test_a_bundle_that_serves_already_is_left_alone(four: list[Pinned]) -> None:
    assert back(four[3].bundle_id)["promoted"] is False
    assert len(read_history(CHAMPION)) == 4


def test_a_bundle_promoted_anew_is_the_newest(four: list[Pinned]) -> None:
    move_alias(CHAMPION, four[0])
    line = rollback_order(read_history(CHAMPION))
    assert [event.id for event in line] == [four[0].bundle_id, *(one.bundle_id for one in four[:0:-1])]


def test_unknown_ambiguous_and_exhausted_ids_say_so(four: list[Pinned]) -> None:
    with pytest.raises(LookupError, match="no promoted bundle begins so: .*2026-01-04"):
        back("0" * 12)
    # sixteen first digits and more bundles than that: two begin alike
    for day in range(5, 22):
        move_alias(CHAMPION, index(day))
    ids = [event.id for event in read_history(CHAMPION)]
    twice = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    with pytest.raises(LookupError, match="several promoted bundles begin so"):
        back(twice)
    for _ in range(20):
        back("previous")
    with pytest.raises(LookupError, match="nothing served before"):
        back("previous")


def test_nothing_to_roll_back_to(lake: Path) -> None:
    with pytest.raises(LookupError, match="points nowhere yet"):
        back("previous")


def test_a_deleted_or_damaged_bundle_is_refused_and_the_champion_stays(four: list[Pinned]) -> None:
    (Path(four[2].uri) / "file.json").write_text("{} ")
    with pytest.raises(RuntimeError, match=r"file.json has 3 bytes.*2 bytes"):
        back("previous")
    (Path(four[2].uri) / "file.json").unlink()
    with pytest.raises(RuntimeError, match=r"file.json is missing"):
        back("previous")
    (manifest := Path(four[1].uri) / "_manifest.json").write_text(manifest.read_text() + " ")
    with pytest.raises(RuntimeError, match="was changed since its promotion"):
        back(four[1].bundle_id)
    shutil.rmtree(four[0].uri)
    with pytest.raises(LookupError, match=r"was deleted since.*NIGHTSHELF_KEEP_BUNDLES"):
        back(four[0].bundle_id)
    assert serving() == four[3].bundle_id


def test_the_last_bundles_are_kept_when_their_partition_is_written_anew(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight versions of one day: of those replaced only the champion's predecessors stay."""
    monkeypatch.setenv("NIGHTSHELF_KEEP_HOURS", "0")
    monkeypatch.setenv("NIGHTSHELF_KEEP_BUNDLES", "2")
    made = []
    for number in range(8):
        made.append(index(1, number=number))
        move_alias(CHAMPION, made[-1])
        time.sleep(0.01)
    index(1)
    there = {one.bundle_id for one in made if Path(one.uri).exists()}
    assert there == {one.bundle_id for one in made[-3:]}
    with pytest.raises(LookupError, match="was deleted since"):
        back(made[0].bundle_id)
    # what was rolled back from stays as long, and so does what lies before it in line
    back("previous")
    time.sleep(0.01)
    index(1)
    assert all(Path(one.uri).exists() for one in made[-3:])


def test_an_alias_from_before_there_were_histories_is_read_and_goes_on(lake: Path) -> None:
    """The file had these four fields alone, and `previous` a file of its own."""
    old, new = index(1), index(2)
    for name, one in (("champion", new), ("previous", old)):
        file = lake / "pointers" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        keys = ("partition", "attempt", "manifest_sha256", "content_sha256")
        values = ", ".join(f'"{key}": "{getattr(one.source, key)}"' for key in keys)
        file.write_text(f"{{{values}}}")
    assert serving() == new.bundle_id
    move_alias(CHAMPION, index(3))
    back("previous")
    assert serving() == new.bundle_id


def former(lake: Path, made: list[Pinned]) -> Path:
    """The alias as lakes from before there were rooms hold it: flat, with its history."""
    for one in made:
        move_alias(CHAMPION, one)
    (lake / "pointers/search/champion.json").rename(flat := lake / "pointers/champion.json")
    shutil.rmtree(lake / "pointers/search")
    return flat


def test_an_alias_from_before_there_were_rooms_keeps_its_history(lake: Path) -> None:
    made = [index(day) for day in (1, 2, 3)]
    flat = former(lake, made)
    known = read_history(CHAMPION)
    assert [event.id for event in known] == [one.bundle_id for one in reversed(made)]
    assert all_histories() == {CHAMPION: known}
    assert read_history("recommendations/champion") == [], "the flat file is the search room's"
    back("previous")
    assert serving() == made[1].bundle_id
    assert read_history(CHAMPION)[1:] == known
    assert not flat.exists()


@pytest.mark.parametrize("point", ["alias.before_write", "store.before_rename", "alias.after_write"])
def test_the_move_to_a_room_is_killed_and_loses_nothing(lake: Path, point: str) -> None:
    made = [index(day) for day in (1, 2)]
    flat = former(lake, made)
    words = [sys.executable, "-m", "jobs", "promote", "--to", "previous", "--registry", "skip"]
    env = {**os.environ, "NIGHTSHELF_FAULT": point}
    assert subprocess.run(words, cwd=ROOT, env=env, capture_output=True, check=False).returncode == -signal.SIGKILL
    moved = point == "alias.after_write"
    assert flat.exists(), "deleted after the new file is whole, never before"
    assert len(all_histories()[CHAMPION]) == 2 + moved, "one alias, counted once"
    assert serving() == made[0 if moved else 1].bundle_id
    move_alias(CHAMPION, made[1])
    assert len(read_history(CHAMPION)) == 3 + moved
    assert not flat.exists()


@pytest.mark.parametrize("wrong", ["champion", "search/", "/champion", "../champion", "search/champion/x", "a/B", ""])
def test_an_alias_is_a_room_and_a_name(lake: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="is no alias"):
        pin_alias(wrong)


def test_somebody_elses_move_is_not_undone(four: list[Pinned]) -> None:
    with pytest.raises(RuntimeError, match="somebody else moved it"):
        move_alias(CHAMPION, four[0], instead_of=four[1].manifest_sha256)
    move_alias(CHAMPION, four[0], instead_of=four[3].manifest_sha256)


POINTS = ("alias.before_write", "store.before_rename", "alias.after_write")


@pytest.mark.parametrize("point", POINTS)
def test_killed_between_any_two_writes_it_serves_old_or_new(four: list[Pinned], point: str) -> None:
    env = {**os.environ, "NIGHTSHELF_FAULT": point}
    words = [sys.executable, "-m", "jobs", "promote", "--to", "previous", "--registry", "skip"]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    moved = point == "alias.after_write"
    assert serving() == four[2 if moved else 3].bundle_id
    assert len(read_history(CHAMPION)) == (5 if moved else 4)
    back(four[0].bundle_id)
    assert serving() == four[0].bundle_id
    names = {path.name for path in (Path(os.environ["NIGHTSHELF_LAKE"]) / "pointers/search").iterdir()}
    assert names == {"champion.json", ".champion.lock"}


def test_killed_at_any_time_readers_see_whole_bundles_only(four: list[Pinned]) -> None:
    """Forty movers, each killed after its first switches at a time that nobody chose."""
    known = {one.bundle_id for one in four}
    seen = set()
    for round_ in range(40):
        child = os.fork()
        if child == 0:
            while True:
                for one in four:
                    move_alias(CHAMPION, one)
        deadline = time.monotonic() + 0.005 + 0.001 * round_
        while time.monotonic() < deadline:
            seen.add(serving())
            assert read_history(CHAMPION)[0].id in known
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen.add(serving())
    assert seen <= known
    assert len(seen) > 1


def test_rolling_back_loads_nothing_heavy_and_takes_a_second(four: list[Pinned]) -> None:
    code = "import sys, jobs.serving.promote; print([n for n in ('torch', 'faiss', 'mlflow', 'pandas')"
    code += " if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert done.stdout.strip() == b"[]"
    started = time.monotonic()
    words = [sys.executable, "-m", "jobs", "promote", "--to", "previous", "--registry", "skip"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    assert time.monotonic() - started < 5  # a second on an idle machine; this one may be busy
    assert serving() == four[2].bundle_id


def test_the_history_is_listed_newest_first(
    four: list[Pinned], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    back("previous")
    shutil.rmtree(four[0].uri)
    rows = main(Args(list=1))["bundles"]
    assert [(row["id"], row["state"], row["how"]) for row in rows] == [
        (four[2].bundle_id, "serves", "rolled back"),
        (four[3].bundle_id, "kept", "promoted"),
        (four[2].bundle_id, "serves", "promoted"),
        (four[1].bundle_id, "previous", "promoted"),
        (four[0].bundle_id, "deleted", "promoted"),
    ]
    # what a DAG asks before it moves anything
    assert main(Args(list=1, to="previous"))["to"] == four[1].bundle_id
    assert serving() == four[2].bundle_id
    said = capsys.readouterr().err
    assert said.count(four[2].bundle_id) >= 2 and "400" in said and "rolled back from" in said


@pytest.mark.parametrize(
    "given",
    [{}, {"to": "previous", "sync_registry": 1}, {"to": "0f", "registry": "maybe"}, {"list": 1, "attempt": "x"}],
)
def test_one_thing_at_a_time(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"give one of|registry='maybe'|attempt goes with"):
        Args(**given)  # type: ignore[arg-type]
