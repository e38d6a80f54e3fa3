"""Retention: what somebody typed is nowhere once its days are over, whatever stood where, whoever was killed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, check_sizes, move_alias, pin_alias
from jobs.lake.ancestry import ancestry, each
from jobs.lake.fault import POINTS
from jobs.lake.partitions import (
    EMBEDDINGS,
    IMPRESSIONS,
    INDEX,
    LABELS,
    LOG,
    RETENTION,
    SIMULATED_TRUTH,
    TABLES,
    TOWERS,
    Partition,
)
from jobs.lake.publish import publish
from jobs.lake.read import exists, pin
from jobs.privacy import retention
from jobs.privacy.audit import audit
from jobs.privacy.limits import AgeLimits
from jobs.privacy.partition_folders import partition_folders
from tests.killed import killed_at

DAY = date(2025, 6, 30)
TYPED = "jan.kowalski@poczta.example zamsz 44051401359"
SPACE = "7f3a7f3a7f3a7f3a"
ROOT = Path(__file__).resolve().parents[3]


def ds(back: int) -> str:
    return (DAY - timedelta(days=back)).isoformat()


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def parquet(text: str) -> bytes:
    """Rows with the text, compressed: its bytes are in no place of the file."""
    data = BytesIO()
    pq.write_table(pa.table({"raw": [text, text]}), data, compression="zstd")
    return data.getvalue()


def put(at: Partition, files: dict[str, bytes], inputs: tuple[Partition, ...] = ()) -> Partition:
    with publish(at, Args(at), inputs=[pin(one) for one in inputs]) as out:
        for name, data in files.items():
            (out.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (out.folder / name).write_bytes(data)
    return at


def typed_by(back: int) -> str:
    return f"{TYPED} {ds(back)}"


def fill(back: int) -> None:
    """A day's partitions, each with what somebody typed on that day."""
    line = json.dumps({"query": typed_by(back)}).encode()
    day = ds(back)
    log = put(LOG.at(ds=day), {"a.ndjson": line, "b.parquet": parquet(typed_by(back))})
    put(SIMULATED_TRUTH.at(ds=day), {"truth.ndjson": line})
    put(LABELS.at(ds=day), {"part-00000.parquet": parquet(typed_by(back))})
    rejected = {"quarantine/rejected-00000.parquet": parquet(typed_by(back)), "part-0.parquet": parquet("x")}
    put(IMPRESSIONS.at(ds=day), rejected, inputs=(log,))


def everything() -> Iterator[tuple[Path, bytes]]:
    """Every file of the lake and the home as a person who searches them would read it."""
    for root in ("NIGHTSHELF_LAKE", "NIGHTSHELF_HOME"):
        for path in Path(os.environ[root]).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                if path.suffix == ".parquet":
                    data = json.dumps(pq.read_table(path).to_pydict(), default=str).encode()
                yield path, data


def found(back: int) -> list[Path]:
    """Files in which what was typed that day stands."""
    return [path for path, data in everything() if typed_by(back).encode() in data]


def args(**given: int) -> retention.Args:
    return retention.Args(RETENTION.at(ds=DAY.isoformat()), **given)


def limits(**given: int) -> AgeLimits:
    return args(**given).limits


def killed(fault: str) -> None:
    killed_at(fault, lambda: retention.main(args()))


def record() -> dict[str, object]:
    made: dict[str, object] = json.loads(pin(RETENTION.at(ds=DAY.isoformat())).path("retention.json").read_text())
    return made


def test_only_the_shops_own_words_and_the_record_never_end() -> None:
    far = limits()
    assert [name for name in TABLES if not far.expired(name, "1999-01-01")] == ["catalogue", "erasures", "retention"]
    with pytest.raises(LookupError, match="sales"):
        far.expired("sales", "1999-01-01")


def test_a_day_ends_the_day_after_its_last() -> None:
    """Thirty days before the day of reference may stay; the day before that may not."""
    found = limits(raw_days=30, derived_days=31)
    assert not found.expired("log", ds(30)) and found.expired("log", ds(31))
    assert not found.expired("pairs", ds(31)) and found.expired("pairs", ds(32))
    assert not found.expired("catalogue", "1999-01-01")
    assert not found.expired("log", (DAY + timedelta(days=5)).isoformat())


def test_what_was_typed_is_nowhere_once_its_days_are_over(lake: Path) -> None:
    for back in (0, 30, 31, 200, 401):
        fill(back)
    put(LOG.at(ds=ds(31)), {"a.ndjson": b"delivered again"})  # the version before it holds the text still
    assert len(found(31)) == 5 and len(found(0)) == 5
    told = retention.main(args())
    for back in (31, 200, 401):
        assert found(back) == []
    for back in (0, 30):
        assert len(found(back)) == 5
    assert not exists(LOG.at(ds=ds(31))) and not (lake / "log_v1" / f"ds={ds(31)}").exists()
    assert not (lake / "impressions_v1" / f"ds={ds(401)}").exists()
    # three raw tables on three days, and the impressions of 401 days ago; two quarantines
    assert (told["partitions"], told["quarantines"], told["left"]) == (10, 2, 0)
    rows = record()["deleted"]
    assert {row["name"] for row in rows if row["what"] == "quarantine"} == {
        f"impressions/ds={ds(31)}",
        f"impressions/ds={ds(200)}",
    }
    again = next(row for row in rows if row["name"] == f"log/ds={ds(31)}")
    assert again["files"] == 3 + 2 + 1  # two versions of two files and of one, their manifests, the pointer


def test_an_expired_quarantine_breaks_no_reader(lake: Path) -> None:
    fill(31)
    before = pin(IMPRESSIONS.at(ds=ds(31)))
    retention.main(args())
    after = pin(IMPRESSIONS.at(ds=ds(31)))
    assert after.manifest_sha256 == before.manifest_sha256
    assert len(after.files()) == 1
    check_sizes(after)
    (entry,) = after.entries("quarantine")
    with pytest.raises(
        LookupError, match=r"quarantine/rejected-00000\.parquet was deleted by jobs\.privacy\.retention"
    ):
        after.files("quarantine")
    with pytest.raises(LookupError, match="days are over"):
        after.path(entry.name)
    # a data file that is missing is damage, expired quarantine or not; so is a quarantine that nobody ended
    (store.local_path(after.uri) / "part-0.parquet").unlink()
    with pytest.raises(RuntimeError, match="damaged"):
        after.files()
    fill(30)
    young = pin(IMPRESSIONS.at(ds=ds(30)))
    (store.local_path(young.uri) / entry.name).unlink()
    with pytest.raises(RuntimeError, match="damaged"):
        young.files("quarantine")


def test_raw_lines_that_a_killed_job_left_go_with_the_raw_days(lake: Path) -> None:
    fill(31)
    attempts = Path(IMPRESSIONS.at(ds=ds(31)).uri) / "attempts"
    for name in ("_tables/log_lines/part-0.parquet", "_spark/part-1.parquet"):
        left = attempts / "20260101T000000-dead" / name
        left.parent.mkdir(parents=True)
        left.write_bytes(parquet(typed_by(31)))
    retention.main(args())
    assert found(31) == []
    # the table itself has its own days
    assert pin(IMPRESSIONS.at(ds=ds(31))).files()


def test_lineage_says_what_is_no_longer_kept(lake: Path) -> None:
    fill(31)
    retention.main(args())
    root = ancestry(pin(IMPRESSIONS.at(ds=ds(31))))
    gone = [one.source.partition for one in each(root) if one.pinned is None]
    assert gone == [f"log/ds={ds(31)}"]


@pytest.mark.parametrize(
    "fault",
    [point for point in POINTS if point.startswith("retention.")] + ["retention.partition:3", "retention.attempt:2"],
)
def test_killed_anywhere_nothing_is_half_readable_and_the_next_call_ends_it(lake: Path, fault: str) -> None:
    for back in (31, 401):
        fill(back)
    put_home()
    first = retention.main(args(dry_run=1))
    killed(fault)
    for place in partition_folders():
        at = Partition.parse(place.address)
        if exists(at):
            whole = pin(at)
            whole.files()
        for folder in (Path(place.uri) / "attempts").glob("*/_manifest.json"):
            pin(at, attempt=folder.parent.name).files()
    told = retention.main(args())
    # logs of tasks have a limit of their own, in `housekeeping`
    assert found(31) == [] and [path.parent.name for path in found(401)] == ["logs"]
    assert told["left"] == 0
    # the account is that of a call that was not killed
    rows = record()["deleted"]
    assert {row["name"] for row in rows if row["where"] == "lake"} == set(first["would_delete"])
    assert sum(row["files"] for row in rows) == first["files"]


@pytest.mark.parametrize("table", [name for name in TABLES if name not in ("catalogue", "erasures", "retention")])
def test_the_audit_knows_the_days_of_every_table(lake: Path, table: str) -> None:
    """A file of an old day is left; the same file of a day that may stay is not. Its own age says nothing."""
    home = Path(os.environ["NIGHTSHELF_HOME"])
    old, young = ds(500), ds(0)
    for root in (lake / f"{table}_v1", home / "trials/t" / f"{table}_v1", home / "validations" / table):
        for day in (old, young):
            (root / f"ds={day}" / "attempts/1").mkdir(parents=True)
            (root / f"ds={day}" / "attempts/1/file").write_text("x")
    left = audit(limits(), {}).left
    assert len(left) == 3 and all(f"{table}" in name and old in name for name in left)


def put_home() -> None:
    """Files of the home that belong to a day, and files that belong to none."""
    home = Path(os.environ["NIGHTSHELF_HOME"])
    page = "validations/impressions/ds={}/20250101T000000.000000Z/pandas-impressions"
    for back in (0, 401):
        day, old = ds(back), datetime(2024, 1, 1, tzinfo=UTC).timestamp()
        for name in (
            "data_docs/" + page.format(day) + ".html",
            page.format(day) + ".json",
            f"data_docs/verdicts/impressions/ds={day}.json",
            f"checkpoints/towers,ds={day},step=star.safetensors",
            f"scratch/negatives,ds={day},space={SPACE}/key",
            f"scratch/trained_index,ds={day},space={SPACE}/key",
            f"sweeps/sweep,ds={day},study=by_hand/lock",
            f"stores/texts-{back}/values.npy",
            f"mlflow/report/{back}/artifacts/report.html",
            f"airflow/logs/{back}.log",
        ):
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(verdict(day, page.format(day) + ".html") | {"typed": typed_by(back)}))
            if back:
                os.utime(path, (old, old))
    lines = [{"at": f"{ds(back)}T01:00:00+00:00", "reason": typed_by(back)} for back in (401, 0)]
    (home / "alerts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def verdict(day: str, page: str) -> dict[str, object]:
    return {
        "partition": f"impressions/ds={day}",
        "verdict": "pass",
        "stops": [],
        "warns": [],
        "checks": 1,
        "rows": 1,
        "simulated": False,
        "engine": "pandas",
        "suite_sha256": "",
        "manifest_sha256": "",
        "created_at": f"{day}T00:00:00+00:00",
        "data_docs": page,
    }


def test_pages_results_and_stores_of_the_home_go_too(lake: Path) -> None:
    put_home()
    home = Path(os.environ["NIGHTSHELF_HOME"])
    (home / "demo.json").write_text("{}")
    assert len(found(401)) == 11
    task_log = home / "airflow/logs/401.log"
    (home / "data_docs/index.html").write_text(ds(401))
    killed("retention.home:3")
    retention.main(args())
    # logs of tasks have a limit of their own, in `housekeeping`
    assert found(401) == [task_log]
    assert len(found(0)) == 11
    index = (home / "data_docs/index.html").read_text()
    assert ds(0) in index and ds(401) not in index
    facts = pin(RETENTION.at(ds=DAY.isoformat())).facts
    assert {"demo.json", "airflow"} <= set(facts["not_covered"]) and "mlflow" not in facts["not_covered"]
    assert facts["scanned"]["home/alerts.jsonl"]["files"] == 1


def test_a_home_of_which_nothing_stays_is_cleared_too(lake: Path) -> None:
    put_home()
    home = Path(os.environ["NIGHTSHELF_HOME"])
    (home / "data_docs/index.html").write_text(ds(0))
    told = retention.main(retention.Args(RETENTION.at(ds="2026-08-31")))
    # what is of no day stays while it is young
    assert {path.relative_to(home).parts[0] for path in found(0)} == {"mlflow", "stores", "airflow"}
    assert told["left"] == 0
    assert ds(0) not in (home / "data_docs/index.html").read_text()


def serve(back: int) -> Partition:
    """An index with its towers, as promoted that day."""
    towers = put(TOWERS.at(ds=ds(back), step="star"), {"golden.json": b"[]"})
    at = {"ds": ds(back), "space": SPACE}
    put(EMBEDDINGS.at(**at, shard="0of1"), {"part-0.parquet": parquet("x")}, inputs=(towers,))
    return put(INDEX.at(**at), {"index.faiss": b"x"}, inputs=(towers, EMBEDDINGS.at(**at, shard="0of1")))


ALIASES = [(CHAMPION, False), (CHAMPION, True), ("recommendations/champion", False)]


@pytest.mark.parametrize(("alias", "flat"), ALIASES)
def test_a_bundle_in_service_stays_with_its_towers_and_is_listed(lake: Path, alias: str, flat: bool) -> None:
    index = serve(500)
    held = pin(index)
    move_alias(alias, held)
    if flat:  # as lakes from before there were rooms hold it
        (lake / "pointers/search/champion.json").rename(lake / "pointers/champion.json")
    put(index, {"index.faiss": b"built again"}, inputs=(TOWERS.at(ds=ds(500), step="star"),))
    serve(450)
    told = retention.main(args())
    assert pin_alias(alias).files() == held.files()
    assert pin(TOWERS.at(ds=ds(500), step="star")).files()
    assert not exists(index)  # what that day holds now is no one's; the version in service is found by its name
    gone = [
        INDEX.at(ds=ds(450), space=SPACE),
        TOWERS.at(ds=ds(450), step="star"),
        EMBEDDINGS.at(ds=ds(500), space=SPACE, shard="0of1"),
    ]
    assert not any(map(exists, gone))
    assert [(row["partition"], row["why"]) for row in told["held"]] == [
        (str(index), f"{alias} points at it"),
        (f"towers/ds={ds(500)}/step=star", f"the towers of {index}, bundle {held.bundle_id}"),
    ]
    assert told["held"][1]["typed"] == "golden queries, words of queries in the vocabulary"
    assert record()["held"] == told["held"]


def test_a_partition_that_is_written_is_left_and_said_and_the_next_try_ends_it(lake: Path) -> None:
    fill(31)
    fill(40)
    with (lake / "log_v1" / f"ds={ds(40)}" / "_lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match=rf"log/ds={ds(40)}: being written, so not deleted; all else is"):
            retention.main(args())
        assert [path.parent.parent.parent.parent.name for path in found(40)] == ["log_v1"] * 2
        pin(LOG.at(ds=ds(40))).files()
    assert found(31) == []
    assert not exists(RETENTION.at(ds=DAY.isoformat()))
    retention.main(args())
    assert found(40) == []
    assert len(record()["deleted"]) == 8


def test_twice_is_once_and_a_rehearsal_deletes_nothing(lake: Path) -> None:
    fill(31)
    before = sorted(path for path, _ in everything())
    told = retention.main(args(dry_run=1))
    assert sorted(path for path, _ in everything()) == before
    assert told["would_delete"] == sorted(
        f"{name}/ds={ds(31)}" for name in ("log", "simulated_truth", "labels", "impressions")
    )
    retention.main(args())
    first = pin(RETENTION.at(ds=DAY.isoformat()))
    assert first.facts["files"] == told["files"]
    retention.main(args())
    second = pin(RETENTION.at(ds=DAY.isoformat()))
    assert second.manifest.content_sha256 == first.manifest.content_sha256
    assert second.facts["files"] == first.facts["files"]


@pytest.mark.parametrize("name", ["searchers_v1/ds={}", "index_v1/ds={}/towers=" + SPACE])
def test_a_lake_of_before_is_migrated_first(lake: Path, name: str) -> None:
    """Protected versions are found by today's names, so nothing is deleted until the folders have them."""
    (left := lake / name.format(ds(500)) / "attempts/1").mkdir(parents=True)
    fill(31)
    with pytest.raises(RuntimeError, match="python -m jobs migrate"):
        retention.main(args())
    assert left.exists() and len(found(31)) == 5


def test_labels_that_were_read_through_may_stay_longer(lake: Path) -> None:
    fill(31)
    retention.main(args(judged_days=31))
    assert exists(LABELS.at(ds=ds(31))) and not exists(LOG.at(ds=ds(31)))


@pytest.mark.parametrize(
    "name",
    [
        f"log_v1/ds={ds(31)}.bak/a.ndjson",  # a copy that somebody made
        f"log_v1/ds={ds(31)}/attempts",  # a file where a folder should be
        "export.csv",
        f"sales_v1/ds={ds(0)}/a.csv",  # a table that nobody knows, by its age
    ],
)
def test_the_proof_finds_what_the_deletion_does_not_know(lake: Path, name: str) -> None:
    path = lake / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TYPED)
    old = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    os.utime(path, (old, old))
    if name.endswith("/attempts"):
        retention.main(args())
        assert not path.exists()
        return
    with pytest.raises(RuntimeError, match=r"1 files are left whose days are over.*\n.*" + path.name):
        retention.main(args())
    assert not exists(RETENTION.at(ds=DAY.isoformat()))


def test_the_proof_does_not_believe_the_deletion(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever deletion forgets, each kind of leftover is found by the walk alone."""
    fill(31)
    fill(401)
    put_home()
    seen = audit(limits(), {})
    kinds = {"/".join(name.split("/")[:2]) for name in seen.left}
    assert {"lake/log_v1", "lake/simulated_truth_v1", "lake/labels_v1", "lake/impressions_v1"} <= kinds
    assert {
        f"home/{name}"
        for name in ("data_docs", "validations", "checkpoints", "scratch", "sweeps", "mlflow", "stores", "alerts.jsonl")
    } <= kinds
    monkeypatch.setattr(retention, "erase", lambda one, holds: None)
    with pytest.raises(RuntimeError, match="files are left whose days are over"):
        retention.main(args())


def test_lakes_of_trials_and_older_versions_of_a_table_are_cleared(lake: Path, tmp_path: Path) -> None:
    study = tmp_path / "var" / "trials" / f"{ds(401)}-by_hand"
    shared = study / "towers-0123" / "towers_v1" / f"ds={ds(401)}" / "step=star"
    link = study / "negatives-4567" / "towers_v1" / f"ds={ds(401)}" / "step=star"
    for path in (shared / "attempts/a/golden.json", lake / f"embeddings_v1/ds={ds(401)}/space={SPACE}/attempts/a/x"):
        path.parent.mkdir(parents=True)
        path.write_text(typed_by(401))
    link.parent.mkdir(parents=True)
    link.symlink_to(shared, target_is_directory=True)
    young = tmp_path / "var/trials" / f"{ds(0)}-by_hand/towers-89/towers_v1/ds={ds(0)}/step=star/attempts/a/golden.json"
    young.parent.mkdir(parents=True)
    young.write_text(typed_by(0))
    retention.main(args())
    assert found(401) == [] and len(found(0)) == 1
    assert not link.is_symlink() and not (lake / "embeddings_v1" / f"ds={ds(401)}").exists()


def test_a_link_of_a_trial_goes_and_what_it_points_at_stays(lake: Path, tmp_path: Path) -> None:
    """The lake's towers are held; a trial that reads them through a link must not take them along."""
    index = serve(500)
    move_alias(CHAMPION, pin(index))
    link = tmp_path / "var/trials" / f"{ds(401)}-by_hand/towers-1/towers_v1/ds={ds(500)}/step=star"
    link.parent.mkdir(parents=True)
    link.symlink_to(lake / f"towers_v1/ds={ds(500)}/step=star", target_is_directory=True)
    retention.main(args())
    assert not link.is_symlink()
    assert pin(TOWERS.at(ds=ds(500), step="star")).files()


@pytest.fixture
def bucket(lake: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The lake as an object store: no locks, no rename, no links, folders that come with their files."""
    system = fs.PyFileSystem(fs.FSSpecHandler(LocalFileSystem(auto_mkdir=True)))
    real = store.filesystem

    def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
        return (system, uri.removeprefix("bucket://")) if uri.startswith("bucket://") else real(uri)

    monkeypatch.setattr(store, "filesystem", filesystem)
    monkeypatch.setenv("NIGHTSHELF_LAKE", f"bucket://{lake}")
    return f"bucket://{lake}"


def test_an_object_store_is_cleared_as_well(lake: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for back in (31, 60):
        fill(back)
    assert LOG.at(ds=ds(31)).uri.startswith("bucket://")
    torn = lake / f"log_v1/ds={ds(60)}/attempts/of-a-writer/a.ndjson"
    torn.parent.mkdir()
    torn.write_text(typed_by(60))
    with pytest.raises(BlockingIOError, match=rf"log/ds={ds(60)}: being written"):
        retention.main(args())
    assert exists(LOG.at(ds=ds(60))), "what may be a writer's is not touched"
    old = datetime(2025, 6, 29, tzinfo=UTC).timestamp()
    os.utime(torn, (old, old))
    told = retention.main(args())
    assert (told["partitions"], told["quarantines"], told["left"]) == (6, 2, 0)
    assert pin(IMPRESSIONS.at(ds=ds(31))).files()
    with pytest.raises(LookupError, match="days are over"):
        pin(IMPRESSIONS.at(ds=ds(31))).files("quarantine")
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(lake))
    assert found(31) == found(60) == []


def test_the_record_names_no_text_and_stays_for_good(lake: Path) -> None:
    fill(31)
    retention.main(args())
    much_later = replace(args(), retention=RETENTION.at(ds=(DAY + timedelta(days=500)).isoformat()))
    if much_later.retention.ds <= datetime.now(UTC).date().isoformat():
        retention.main(much_later)
    assert pin(RETENTION.at(ds=DAY.isoformat())).files()
    assert TYPED.split()[0].encode() not in b"".join(data for _, data in everything())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"raw_days": 0}, "raw_days=0: expected 1 or more"),
        ({"raw_days": 31, "derived_days": 30}, "raw_days <= derived_days"),
        ({"judged_days": 0}, "judged_days=0: expected 1 or more"),
        ({"dry_run": 2}, "dry_run=2: expected one of 0, 1"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**given)


def test_a_day_that_has_not_come_is_refused() -> None:
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    with pytest.raises(ValueError, match="lies in the future"):
        retention.Args(RETENTION.at(ds=tomorrow))
