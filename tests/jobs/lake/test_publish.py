"""Publishing: kill it anywhere, run it twice, read it meanwhile; damage a byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.lake import locks
from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, move_alias, pin_alias
from jobs.lake.fault import POINTS
from jobs.lake.manifest import Accounting, FileEntry, Manifest
from jobs.lake.partitions import LABELS, Partition
from jobs.lake.publish import partition_lock, publish
from jobs.lake.read import exists, pin, published_days, read_table

DAY = LABELS.at(ds="2026-01-31")


@dataclass(frozen=True)
class Args:
    """labels  output"""

    labels: Partition
    rows: int = 2


def rows(n: int, value: float) -> pa.Table:
    return pa.table(
        {
            "query": ["buty"] * n,
            "item_id": [str(i) for i in range(n)],
            "relevance": [value] * n,
            "split": pa.nulls(n, pa.string()),
        }
    )


def write(value: float, n: int = 2) -> Manifest:
    with publish(DAY, Args(DAY, n)) as out:
        out.write_table(rows(n, value))
    assert out.manifest is not None
    return out.manifest


WRITER = """
import sys
from tests.jobs.lake.test_publish import write
write(float(sys.argv[1]))
"""


def run_writer(value: float, fault: str = "") -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[3]
    env = {**os.environ, "NIGHTSHELF_FAULT": fault, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-c", WRITER, str(value)], env=env, cwd=root, text=True, capture_output=True, check=False
    )


def attempts() -> list[str]:
    return sorted(path.name for path in (store.local_path(DAY.uri) / "attempts").iterdir())


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("publish.")])
def test_a_killed_job_leaves_old_or_new_and_the_next_run_leaves_no_debris(lake: Path, point: str) -> None:
    write(1.0)
    assert run_writer(2.0, fault=point).returncode == -signal.SIGKILL
    seen = read_table(pin(DAY))["relevance"].to_pylist()
    assert seen == ([2.0, 2.0] if point == "publish.after_pointer" else [1.0, 1.0])
    again = write(2.0)
    assert read_table(pin(DAY))["relevance"].to_pylist() == [2.0, 2.0]
    folders = [lake / "labels_v1/ds=2026-01-31/attempts" / name for name in attempts()]
    assert all((folder / "_manifest.json").is_file() for folder in folders)  # nothing half-written stays
    assert again.content_sha256 == pin(DAY).manifest.content_sha256


def test_running_a_day_twice_gives_identical_content(lake: Path) -> None:
    first, second = write(1.0), write(1.0)
    assert first.attempt != second.attempt
    assert first.content_sha256 == second.content_sha256
    assert [entry.sha256 for entry in first.files] == [entry.sha256 for entry in second.files]


def test_an_error_in_the_job_publishes_nothing(lake: Path) -> None:
    with pytest.raises(ValueError, match="found columns"), publish(DAY, Args(DAY)) as out:
        out.write_table(pa.table({"query": ["a"]}))
    assert not exists(DAY)
    assert attempts() == []
    with pytest.raises(RuntimeError, match="wrote no file"), publish(DAY, Args(DAY)):
        pass
    with pytest.raises(LookupError, match=r"labels/ds=2026-01-31: not published.*`python -m jobs` says"):
        pin(DAY)


def test_readers_meet_whole_versions_only_while_a_writer_replaces_them(lake: Path) -> None:
    write(1.0, n=50)
    child = os.fork()
    if child == 0:
        for number in range(40):
            write(float(number), n=50)
        os._exit(0)
    reads = 0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        values = read_table(pin(DAY))["relevance"].to_pylist()
        assert len(values) == 50
        assert len(set(values)) == 1
        reads += 1
    assert reads > 10


def test_a_second_writer_is_told_and_a_killed_one_lets_go(lake: Path) -> None:
    with publish(DAY, Args(DAY)) as out:
        with pytest.raises(BlockingIOError, match="another process is writing"), publish(DAY, Args(DAY)):
            pass
        out.write_table(rows(1, 1.0))
    assert run_writer(1.0, fault="publish.files_written").returncode == -signal.SIGKILL
    write(3.0)
    assert read_table(pin(DAY))["relevance"].to_pylist() == [3.0, 3.0]


@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "remove"])
def test_a_damaged_file_is_named_and_refused(lake: Path, damage: str) -> None:
    write(1.0, n=200)
    pinned = pin(DAY)
    path = store.local_path(pinned.uri) / "part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "flip":
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-1])
    elif damage == "append":
        path.write_bytes(path.read_bytes() + b"x")
    else:
        path.unlink()
    with pytest.raises(RuntimeError, match=r"labels/ds=2026-01-31: part-00000\.parquet .*damaged"):
        read_table(pinned)


def test_an_edited_manifest_is_refused(lake: Path) -> None:
    write(1.0)
    path = store.local_path(pin(DAY).uri) / "_manifest.json"
    path.write_text(path.read_text().replace('"rows": 2', '"rows": 3'))
    with pytest.raises(RuntimeError, match="manifest has sha256"):
        pin(DAY)


def test_files_that_the_manifest_does_not_list_are_not_read(lake: Path) -> None:
    write(1.0)
    folder = store.local_path(pin(DAY).uri)
    (folder / "part-00001.parquet").write_bytes((folder / "part-00000.parquet").read_bytes())
    assert read_table(pin(DAY)).num_rows == 2


def test_equal_rows_have_one_content_whichever_writer_lists_what_in_the_footer(lake: Path) -> None:
    """Spark's JVMs list encodings in another order each; here the metadata in the footer differs, and no row."""

    def entry(rows: pa.Table, **settings: object) -> FileEntry:
        with publish(DAY, Args(DAY)) as out:
            pq.write_table(rows, out.folder / "part-0.parquet", **settings)
        return pin(DAY).entries()[0]

    rows = pa.table({"query_id": ["a", "b"] * 50, "relevance": [1.0, 2.0] * 50})
    first, second = entry(rows), entry(rows, store_schema=False)
    assert first.sha256 != second.sha256 and first.content_sha256 == second.content_sha256
    others = [
        rows.slice(1),
        rows.rename_columns(["query_id", "weight"]),
        pa.table({"query_id": ["a", "b"] * 50, "relevance": [1.0, 2.0] * 49 + [1.0, 3.0]}),
    ]
    assert len({entry(one).content_sha256 for one in (rows, *others)}) == 4


def test_a_stop_verdict_keeps_readers_away(lake: Path) -> None:
    write(1.0)
    pinned = pin(DAY)
    verdict = {"verdict": "stop", "stops": ["relevance: found -1"]}
    store.write_bytes(f"{pinned.uri}/_verdict.json", json.dumps(verdict).encode())
    with pytest.raises(RuntimeError, match="stopped by its data-quality verdict"):
        pin(DAY)
    assert pin(DAY, even_stopped=True).manifest.rows == 2
    write(2.0)  # a new version has not been judged yet
    assert pin(DAY).manifest.rows == 2


@pytest.mark.parametrize(("alias", "flat"), [(CHAMPION, False), (CHAMPION, True), ("recommendations/champion", False)])
def test_replaced_versions_stay_for_their_readers_and_champions_longer(
    lake: Path, monkeypatch: pytest.MonkeyPatch, alias: str, flat: bool
) -> None:
    first = write(1.0)
    move_alias(alias, pin(DAY))
    if flat:  # as lakes from before there were rooms hold it
        (lake / "pointers/search/champion.json").rename(lake / "pointers/champion.json")
    second = write(2.0)
    assert attempts() == sorted([first.attempt, second.attempt])
    monkeypatch.setenv("NIGHTSHELF_KEEP_HOURS", "0")
    time.sleep(0.01)
    third = write(3.0)
    assert first.attempt in attempts()  # the champion
    assert second.attempt in attempts()  # was current while the third was written
    write(4.0)
    assert second.attempt not in attempts()
    assert third.attempt in attempts()
    assert read_table(pin_alias(alias))["relevance"].to_pylist() == [1.0, 1.0]


def test_a_lock_that_was_deleted_with_its_folder_keeps_nobody_out_and_nobody_in(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer opens the lock, jobs.privacy.retention removes it, the writer takes it: it must take the new one."""
    path = store.local_path(DAY.uri) / "_lock"
    real, taken = locks.fcntl.flock, []

    def flock(file: IO[str], how: int) -> None:
        if not taken:
            path.unlink()
        taken.append(file)
        real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with partition_lock(DAY.uri, str(DAY)):
        assert len(taken) == 2
        assert path.read_text() == str(os.getpid())
        with pytest.raises(BlockingIOError, match="another process"), partition_lock(DAY.uri, str(DAY)):
            pass


def test_rows_without_a_reason_are_a_defect(lake: Path) -> None:
    Accounting("rows", 10, 7, {"bot": 3})
    with pytest.raises(RuntimeError, match="1 rows have no reason"):
        Accounting("rows", 10, 7, {"bot": 2})


def test_published_days_are_listed_in_order_and_within_bounds(lake: Path) -> None:
    for day in ("2026-02-01", "2026-01-30"):
        with publish(LABELS.at(ds=day), Args(LABELS.at(ds=day))) as out:
            out.write_table(rows(1, 1.0))
    (lake / "labels_v1/ds=2026-01-31/attempts/x").mkdir(parents=True)  # a killed first attempt
    assert published_days(LABELS, "2026-01-30", "2026-02-01") == ["2026-01-30", "2026-02-01"]
    assert published_days(LABELS, "2026-01-31", "2026-01-31") == []


def test_simulated_data_says_so_in_everything_made_from_it(lake: Path) -> None:
    with publish(DAY, Args(DAY)) as out:
        out.simulated = True
        out.write_table(rows(1, 1.0))
    other = LABELS.at(ds="2026-02-01")
    with publish(other, Args(other), inputs=[pin(DAY)]) as out:
        out.write_table(rows(1, 1.0))
    manifest = pin(other).manifest
    assert manifest.simulated
    assert manifest.inputs[0].partition == str(DAY)
    assert manifest.inputs[0].manifest_sha256 == pin(DAY).manifest_sha256
