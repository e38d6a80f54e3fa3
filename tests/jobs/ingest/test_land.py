"""Landing a shop's own files: copied byte by byte, refused with a reason."""

import gzip
import json
from pathlib import Path

import pytest

from jobs.ingest import delivered_files as sources
from jobs.ingest import land
from jobs.ingest.repair import repaired_files
from jobs.lake import storage as store
from jobs.lake.partitions import CATALOGUE, LABELS, LOG
from jobs.lake.read import exists, pin, read_table

DAY = LOG.at(ds="2026-01-31")


@pytest.fixture
def exports(tmp_path: Path, lake: Path) -> Path:
    """Two folders of log files, two of which share a name, and a catalogue."""
    for name in ("a", "b"):
        folder = tmp_path / "exports" / name
        folder.mkdir(parents=True)
        (folder / "events.ndjson").write_text(json.dumps({"from": name}) + "\n")
    (tmp_path / "exports" / "a" / "more $.ndjson.gz").write_bytes(gzip.compress(b"{}\n"))
    (tmp_path / "exports" / "items.csv").write_text("item_id,title\n1,but\n")
    return tmp_path / "exports"


def test_files_are_copied_as_they_are(exports: Path) -> None:
    land.main(land.Args(f"{exports}/*/events.ndjson", log=DAY))
    pinned = pin(DAY)
    names = [entry.name for entry in pinned.entries()]
    assert names == ["00000events.ndjson", "00001events.ndjson"]  # one name, two folders
    assert json.loads(pinned.path(names[1]).read_text()) == {"from": "b"}
    assert pinned.facts["sources"] == [f"{exports}/{name}/events.ndjson" for name in "ab"]
    assert not pinned.manifest.simulated


def test_a_folder_a_file_and_a_pattern(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exports)
    for pattern, count in (("a", 2), ("a/", 2), ("a/events.ndjson", 1), ("[ab]/e*", 2), ("*/*", 3)):
        assert len(sources.find(pattern)) == count, pattern
        assert len(sources.find(f"{exports}/{pattern}")) == count, pattern
    assert sources.find("*.csv") == ["./items.csv"]
    assert sources.find(f"file://{exports}/*.csv") == [f"file://{exports}/items.csv"]


def test_what_tools_leave_beside_the_data_is_no_file_of_it(exports: Path) -> None:
    left = (".DS_Store", "._events.ndjson", "_SUCCESS", "_committed_1", ".events.ndjson.crc", "Thumbs.db")
    for name in left:
        (exports / "a" / name).write_bytes(b"\0")
    (exports / "__MACOSX").mkdir()
    (exports / "__MACOSX" / "events.ndjson").write_bytes(b"\0")
    land.main(land.Args(f"{exports}/a", log=DAY))
    assert [entry.name for entry in pin(DAY).entries()] == ["events.ndjson", "more__.ndjson.gz"]
    assert len(sources.find(f"{exports}/*/events.ndjson")) == 2
    # a file of the data may begin so
    (exports / "a" / "_events.ndjson").write_text("{}\n")
    assert len(sources.find(f"{exports}/a")) == 3


def test_odd_names_become_plain_ones(exports: Path) -> None:
    land.main(land.Args(f"{exports}/a/more*", log=DAY))
    assert [entry.name for entry in pin(DAY).entries()] == ["more__.ndjson.gz"]


def test_nothing_found_and_unknown_kinds_are_clear_errors(exports: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found no file"):
        land.main(land.Args(f"{exports}/*.parquet", log=DAY))
    with pytest.raises(ValueError, match=r"1 files of another kind \(items.csv\), expected for log"):
        land.main(land.Args(f"{exports}/items.csv", log=DAY))
    assert not exists(DAY)
    land.main(land.Args(f"{exports}/items.csv", catalogue=CATALOGUE.at(ds="2026-01-31")))


@pytest.mark.parametrize(
    ("link", "to", "pattern"),
    [
        ("a/more.ndjson", "secret.json", "a"),  # of a file that the worker may read and the shop may not
        ("a/more.ndjson", "secret.json", "*/*.ndjson"),
        ("a/more.ndjson", "secret.json", "a/more.ndjson"),  # named
        ("a/more.ndjson", "nowhere", "a"),  # broken today, perhaps not tomorrow
        ("a/more.ndjson", "exports/a/events.ndjson", "a"),  # harmless, but so is a copy
        ("c", "elsewhere", "*/*.json"),  # of a folder
        ("c", "elsewhere", "c"),
        ("c", "elsewhere", "c/"),
        ("c", "elsewhere", "c/*.json"),
    ],
)
def test_a_link_in_a_delivery_is_refused(exports: Path, link: str, to: str, pattern: str) -> None:
    (exports.parent / "elsewhere").mkdir()
    for secret in (exports.parent / "secret.json", exports.parent / "elsewhere" / "passwords.json"):
        secret.write_text('{"admin": "hunter2"}\n')
    (exports / link).symlink_to(exports.parent / to)
    for read in (lambda files: land.main(land.Args(files, log=DAY)), repaired_files):
        with pytest.raises(ValueError, match=f"{link}: found 1 symbolic links, expected files and folders alone"):
            read(f"{exports}/{pattern}")
    assert not exists(DAY)


def test_a_link_that_takes_a_files_place_after_it_was_found_is_refused(exports: Path, tmp_path: Path) -> None:
    (found,) = sources.find(f"{exports}/a/events.ndjson")
    Path(found).unlink()
    Path(found).symlink_to(exports / "items.csv")
    with pytest.raises(ValueError, match="found 1 symbolic links"):
        sources.copy_checked(found, str(tmp_path / "copy"))


def test_exactly_one_target_and_no_credentials() -> None:
    for given in ({}, {"log": DAY, "catalogue": CATALOGUE.at(ds="2026-01-31")}):
        with pytest.raises(ValueError, match="exactly one"):
            land.Args("x", **given)
    with pytest.raises(ValueError, match="credentials"):
        land.Args("s3://key:secret@bucket/x.ndjson", log=DAY)


def test_a_file_that_grows_while_it_is_copied_is_refused(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = store.copy

    def grow(source: str, target: str) -> None:
        copy(source, target)
        with Path(source).open("a") as file:
            file.write("more\n")

    monkeypatch.setattr(store, "copy", grow)
    with pytest.raises(RuntimeError, match="changed while it was copied"):
        land.main(land.Args(f"{exports}/a/events.ndjson", log=DAY))
    assert not exists(DAY)


def test_labels_become_the_tables_columns(exports: Path) -> None:
    labels = LABELS.at(ds="2026-01-31")
    path = exports / "labels.csv"
    path.write_text("query,item_id,relevance\nbut,007,3\n")
    land.main(land.Args(str(path), labels=labels))
    assert read_table(pin(labels)).to_pylist() == [{"query": "but", "item_id": "007", "relevance": 3.0, "split": None}]
    path.write_text("query,item_id\nbut,007\n")
    with pytest.raises(ValueError, match=r"expected also \['relevance'\]"):
        land.main(land.Args(str(path), labels=labels))
    path.write_text("query,item_id,relevance\nbut,007,high\n")
    with pytest.raises(ValueError, match="not readable as labels"):
        land.main(land.Args(str(path), labels=labels))


def test_labels_that_unpack_to_too_much_are_refused(tmp_path: Path, lake: Path) -> None:
    packed = tmp_path / "labels.csv.gz"
    packed.write_bytes(gzip.compress(b"query,item_id,relevance\n" + b"but,1,3\n" * 200_000))
    to = LABELS.at(ds="2026-01-31")
    with pytest.raises(ValueError, match=r"labels.csv.gz: unpacks to more than 0.001 GB .*nothing was landed"):
        land.main(land.Args(str(packed), labels=to, max_unpacked_gb=0.001))
    assert not exists(to)
    land.main(land.Args(str(packed), labels=to))
    assert pin(to).manifest.rows == 200_000


def test_ids_of_labels_are_those_of_the_items(exports: Path) -> None:
    labels = LABELS.at(ds="2026-01-31")
    path = exports / "labels.csv"
    path.write_text('query;item_id;relevance\n"but;\n zimowy"; 007 ;3\nbut;1.0;2\n')
    land.main(land.Args(str(path), labels=labels))
    assert [row["item_id"] for row in read_table(pin(labels)).to_pylist()] == ["007", "1"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'query,item_id,relevance\nbut,1,3\n"lampa,2,1\nkubek,3,2\n', r"line 3 \(data line 2\): a quoted field"),
        ("query,item_id,relevance,język\nbut,1,3,pl\n".encode("cp1250"), "header is not UTF-8"),
        (b"query,item_id,item_id,relevance\nbut,1,2,3\n", "column 'item_id' 2 times"),
        (b"", "empty"),
        ("query,item_id,relevance\nbut,1,3\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_labels_that_would_be_misread_are_refused(exports: Path, data: bytes, expected: str) -> None:
    (exports / "labels.csv").write_bytes(data)
    with pytest.raises(ValueError, match=rf"labels\.csv: .*{expected}"):
        land.main(land.Args(f"{exports}/labels.csv", labels=LABELS.at(ds="2026-01-31")))
