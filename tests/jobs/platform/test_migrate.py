"""A lake that older code wrote (see tests/jobs/lake/write_old_lake.py) is migrated, read, served, rolled back, cleared."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
from fsspec.implementations.local import LocalFileSystem
from pyarrow import fs

from jobs.bundle.reader import open_bundle
from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, check_sizes, pin_alias, read_history
from jobs.lake.ancestry import ancestry, each
from jobs.lake.partitions import FORMER_TABLES, RETENTION, TABLES, Partition
from jobs.lake.read import exists, pin, read_table, read_verdict
from jobs.platform import migrate
from jobs.privacy import retention
from jobs.quality import data_docs
from jobs.serving import promote
from tests.killed import died_at

ARCHIVE = Path(__file__).parents[1] / "lake" / "old_lake.tar.gz"
ROOT = Path(__file__).resolve().parents[3]
DAY = "ds=2026-01-31"
SPACE = "space=3d5366f2c7c0f068"
RENAMED = [
    f"click_counts/{DAY}",
    f"query_counts/{DAY}",
    f"late_impressions/{DAY}",
    f"query_users/{DAY}",
    f"external_runs/{DAY}",
    f"simulated_truth/{DAY}",
    f"prodbert/{DAY}",
    f"trained_index/{DAY}/{SPACE}",
    f"tower_metrics/{DAY}/space={'0' * 16}",
    f"embeddings/{DAY}/{SPACE}/shard=0of1",
    f"codes/{DAY}/{SPACE}/shard=0of1",
    f"index/{DAY}/{SPACE}",
]


@pytest.fixture
def old(lake: Path) -> Path:
    """The old lake and its home, as they were."""
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(lake.parent, filter="data")
    return lake


def files(root: Path) -> dict[str, str]:
    """Every file but locks and verdicts: name below the root -> sha256."""
    skipped = ("_lock", "_verdict.json", ".lock")
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(skipped)]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def check_migrated(lake: Path) -> None:
    """Every renamed partition is whole under today's name, and nothing is left under a former one."""
    for address in RENAMED:
        pinned = pin(Partition.parse(address))
        assert pinned.files() and str(pinned.partition) == address
        if pinned.partition.table.columns:
            assert read_table(pinned).column_names == list(pinned.partition.table.columns)
    names = [str(path) for root in (lake, lake.parent / "var") for path in root.rglob("*")]
    formers = (*(f"/{name}_v1" for name in FORMER_TABLES), *(f"/{name}/ds=" for name in FORMER_TABLES), "towers=3d")
    left = [name for name in names for former in formers if former in name]
    assert left == []


def test_readers_of_an_older_lake_name_the_command(old: Path) -> None:
    for address in (f"click_counts/{DAY}", f"codes/{DAY}/{SPACE}/shard=0of1"):
        with pytest.raises(LookupError, match="python -m jobs migrate"):
            pin(Partition.parse(address))
    with pytest.raises(LookupError, match="not published") as fresh:
        pin(Partition.parse("pairs/ds=2026-01-01"))
    assert "migrate" not in str(fresh.value)


def test_everything_is_renamed_and_no_byte_is_changed(old: Path) -> None:
    before = files(old)
    assert migrate.main(migrate.Args(dry_run=1))["would_rename"] and files(old) == before
    migrate.main(migrate.Args())
    check_migrated(old)
    assert sorted(files(old).values()) == sorted(before.values())
    assert {path.name for path in old.iterdir()} <= {f"{name}_v{table.version}" for name, table in TABLES.items()} | {
        "pointers"
    }
    home = old.parent / "var"
    for name in (
        f"checkpoints/prodbert,{DAY}.safetensors",
        f"scratch/trained_index,{DAY},{SPACE}/key",
        f"sweeps/sweep,{DAY},study=by_hand/lock",
        f"trials/2026-01-31-by_hand/0/tower_metrics_v1/{DAY}/{SPACE}/_current.json",
    ):
        assert (home / name).is_file(), name
    assert migrate.main(migrate.Args())["renamed"] == 0, "twice is once"


def test_the_champion_of_before_searches_and_is_rolled_back(old: Path) -> None:
    ids = [event.id for event in read_history(CHAMPION)]
    assert len(ids) == 2
    migrate.main(migrate.Args())
    assert [event.id for event in read_history(CHAMPION)] == ids
    bundle = open_bundle(pin_alias(CHAMPION))
    assert bundle.id == ids[0]
    assert bundle.hits(bundle.dense(bundle.encode(["red shoes"]), 5))
    assert {one.table for one in each(ancestry(pin_alias(CHAMPION)))} >= {"trained_index", "codes", "towers", "items"}
    promote.main(promote.Args(to="previous", registry="skip"))
    assert pin_alias(CHAMPION).bundle_id == ids[1]
    check_sizes(pin_alias(CHAMPION))
    assert [event.id for event in read_history(CHAMPION)] == [ids[1], *ids]


def test_retention_holds_what_the_alias_of_before_protects(old: Path) -> None:
    migrate.main(migrate.Args())
    told = retention.main(retention.Args(RETENTION.at(ds="2026-10-31"), derived_days=60))
    assert told["left"] == 0
    for event in read_history(CHAMPION):
        assert pin(Partition.parse(event.partition), attempt=event.attempt).files()
    assert pin(Partition.parse(f"towers/{DAY}/step=star")).files()
    kept = {address for address in RENAMED if exists(Partition.parse(address))}
    assert kept == {f"index/{DAY}/{SPACE}"}
    assert not (old.parent / f"var/trials/2026-01-31-by_hand/0/tower_metrics_v1/{DAY}").exists()


def test_verdicts_and_their_pages_move_together(old: Path) -> None:
    migrate.main(migrate.Args())
    index = data_docs.refresh()
    verdict = read_verdict(pin(Partition.parse(f"click_counts/{DAY}")))
    assert verdict["partition"] == f"click_counts/{DAY}"
    assert (data_docs.site() / verdict["data_docs"]).is_file()
    assert quote(verdict["data_docs"], safe="/#") in index.read_text()
    assert len(list((old.parent / "var/validations/click_counts").rglob("*.json"))) == 1


@pytest.mark.parametrize("time", range(1, 30, 4))
def test_killed_half_way_the_next_call_finishes(old: Path, time: int) -> None:
    before = files(old)
    died_at(f"migrate.renamed:{time}", lambda: migrate.main(migrate.Args()))
    migrate.main(migrate.Args())
    check_migrated(old)
    assert sorted(files(old).values()) == sorted(before.values())


def test_what_was_written_since_under_todays_name_stays(old: Path) -> None:
    """A job ran before somebody migrated: its version is current, the older one stays beside it."""
    former = old / "acts_v1" / DAY
    today = old / "click_counts_v1" / DAY
    shutil.copytree(former, today)
    (attempt,) = (today / "attempts").iterdir()
    attempt.rename(attempt.with_name("20270101T000000-aaaaaa"))
    pointer = (today / "_current.json").read_text().replace(attempt.name, "20270101T000000-aaaaaa")
    (today / "_current.json").write_text(pointer)
    migrate.main(migrate.Args())
    assert (today / "_current.json").read_text() == pointer
    assert {path.name for path in (today / "attempts").iterdir()} == {attempt.name, "20270101T000000-aaaaaa"}
    assert not former.exists()


def test_links_of_trials_follow_what_they_point_at(old: Path) -> None:
    target = old / f"embeddings_v2/{DAY}/towers=3d5366f2c7c0f068/shard=0of1"
    link = old.parent / f"var/trials/s/1/embeddings_v2/{DAY}/towers=3d5366f2c7c0f068/shard=0of1"
    link.parent.mkdir(parents=True)
    link.symlink_to(target, target_is_directory=True)
    migrate.main(migrate.Args())
    moved = old.parent / f"var/trials/s/1/embeddings_v2/{DAY}/{SPACE}/shard=0of1"
    assert moved.is_symlink() and (moved / "_current.json").is_file()


def test_an_object_store_is_migrated_file_by_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fs.PyFileSystem(fs.FSSpecHandler(LocalFileSystem(auto_mkdir=True)))
    real = store.filesystem

    def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
        return (system, uri.removeprefix("bucket://")) if uri.startswith("bucket://") else real(uri)

    monkeypatch.setattr(store, "filesystem", filesystem)
    monkeypatch.setenv("NIGHTSHELF_LAKE", f"bucket://{old}")
    before = files(old)
    migrate.main(migrate.Args())
    assert sorted(files(old).values()) == sorted(before.values())
    assert len(read_history(CHAMPION)) == 2 and pin_alias(CHAMPION).files()
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(old))
    check_migrated(old)
