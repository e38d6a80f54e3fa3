"""Scan of raw files: every kind of damage is named, unusual but valid files pass, the sample shows every change."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.ingest.profile import parsed
from jobs.ingest.sample import HEAD, MAX_RUNS, RUN, TAIL
from jobs.ingest.scan import scan

LINES = b"".join(b'{"n": %d, "q": "\xc5\xbc\xc3\xb3\xc5\x82w"}\n' % n for n in range(50_000))
PACKED = gzip.compress(LINES, mtime=0)


def parquet(rows: int = 60_000) -> bytes:
    rng = np.random.default_rng(3)
    buffer = BytesIO()
    table = pa.table({"n": pa.array(range(rows)), "x": pa.array(rng.random(rows))})
    pq.write_table(table, buffer, write_page_checksum=True, row_group_size=20_000)
    return buffer.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


WHOLE = {
    "plain.ndjson": LINES,
    "no_newline.ndjson": LINES.rstrip(),
    "packed.ndjson.gz": PACKED,
    # several members one after another, as `cat a.gz b.gz` makes them
    "members.ndjson.gz": PACKED + PACKED,
    "columns.parquet": parquet(),
    # a few odd lines are rejected one by one: that is no reason to lose the others
    "odd_lines.ndjson": LINES + b"\xff\xfe\x00\n" + b'{"torn": \n' + b'{"n": 1}\n',
    "empty.ndjson": b"",
    "tabbed.json": b'index\t{"n": 1}\nindex\t{"n": 2}',
    "items.csv": b'item_id,title\n1,"a {"\n',
}
# name -> bytes, what is said of them
DAMAGED = {
    "half.ndjson.gz": (PACKED[: len(PACKED) // 2], "cut off: its gzip"),
    "header.ndjson.gz": (PACKED[:1], "cut off: its gzip"),
    # all of its content is there, its sum is not
    "no_sum.ndjson.gz": (PACKED[:-4], "cut off: its gzip"),
    "flipped.ndjson.gz": (flipped(PACKED, len(PACKED) // 2), "damaged: its gzip"),
    "behind.ndjson.gz": (PACKED + bytes(900), "bytes that are not gzip"),
    "nothing.ndjson.gz": (b"", "no gzip header"),
    "not_gzip.ndjson.gz": (LINES, "bytes that are not gzip"),
    "tail.ndjson": (LINES[:-9] + bytes(300), "ends in NULs"),
    "tail.ndjson.gz": (gzip.compress(LINES + bytes(4096)), "512 NULs"),
    "hole.ndjson": (LINES[:600_000] + bytes(4096) + LINES[604_096:], "512 NULs"),
    "torn.ndjson": (LINES[:-20], "in the middle of a line"),
    "latin2.ndjson": (LINES.decode().encode("iso-8859-2"), "not UTF-8: 50,000 of 50,000 lines"),
    "utf16.ndjson": (LINES.decode().encode("utf-16"), "UTF-16"),
    # as pandas and json.dumps write a list
    "array.json": (b'[{"n": 1}, {"n": 2}]', "a JSON array, expected a record per line"),
    "pretty.json.gz": (gzip.compress(b'[\n  {\n "n": 1\n }\n]\n'), "a JSON array"),
    "over_lines.json": (b'{\n  "n": 1\n}\n{\n  "n": 2\n}\n', "records that go over several lines"),
    "packed.ndjson": (PACKED, "gzip: name it .gz"),
    "twice.ndjson.gz": (gzip.compress(PACKED), "gzip: name it .gz, or unpack it"),
    "archive.ndjson.gz": (b"PK\x03\x04" + bytes(40), "a zip archive"),
    "login.ndjson": (b"<!DOCTYPE html>\n<html>\n</html>\n", "an HTML or XML page"),
    "book.csv": (b"PK\x03\x04" + bytes(40), "an Excel workbook"),
    "escaped.csv": (b'item_id,title\n1,"12\\" pan"\n', "line 2 (data line 1): a quote behind a backslash"),
    "stray.csv": (b'item_id,title\n1,"12in\n2,b\n', "line 2 (data line 1): a quoted field"),
    "endless.ndjson": (b"x" * (65 << 20), "its line ends are lost"),
    "footer.parquet": (parquet()[:-100], "no readable Parquet footer"),
    "text.parquet": (LINES, "no readable Parquet footer"),
    "page.parquet": (flipped(parquet(), 1_000), "a damaged page, after row 0"),
    "late.parquet": (flipped(parquet(), len(parquet()) - 9_000), "a damaged page, after row 40,000"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_has_no_flaw(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(WHOLE[name])
    assert scan(str(tmp_path / name)).flaw == ""


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named_without_a_byte_of_it(tmp_path: Path, name: str) -> None:
    data, expected = DAMAGED[name]
    (tmp_path / name).write_bytes(data)
    found = scan(str(tmp_path / name))
    assert expected in found.flaw
    assert "żó" not in found.flaw
    assert not found.lines and not found.rows


@pytest.mark.parametrize("cut", range(7))
def test_a_gzip_cut_anywhere_is_never_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(PACKED[: int(np.random.default_rng(cut).integers(0, len(PACKED)))])
    assert scan(str(path)).flaw


@pytest.mark.parametrize("suffix", ["ndjson", "ndjson.gz", "parquet"])
@pytest.mark.parametrize("rows", [1, 30, 3_000, 4_100, 25_000, 400_000])
def test_the_sample_has_head_tail_and_some_between(tmp_path: Path, suffix: str, rows: int) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"n": range(rows)}), path)
    else:
        data = b"".join(b'{"n": %d, "q": "%s"}\n' % (n, b"x" * 80) for n in range(rows))
        path.write_bytes(gzip.compress(data, 1) if suffix == "ndjson.gz" else data)
    found = scan(str(path))
    numbers = [int(row["n"]) for row in found.rows or parsed(found.lines)]
    assert numbers == sorted(set(numbers)), "no record twice"
    assert len(numbers) <= HEAD + TAIL + (MAX_RUNS + 1) * RUN
    assert set(range(min(rows, HEAD))) <= set(numbers)
    assert set(range(max(0, rows - TAIL), rows)) <= set(numbers)
    # nothing that lasts longer than this can hide between
    assert max(np.diff([-1, *numbers, rows])) <= max(21_000, rows / 20)


def test_a_sample_of_a_long_file_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for n in range(200):
            file.write(b"".join(b'{"n": %d}\n' % (n * 80_000 + m) for m in range(80_000)))
    numbers = [json.loads(line)["n"] for line in scan(str(path)).lines if line]
    assert len(numbers) <= HEAD + TAIL + (MAX_RUNS + 1) * RUN
    assert max(np.diff(numbers)) <= 16_000_000 / 30


@pytest.mark.parametrize("name", ["bomb.ndjson.gz", "bomb.csv.gz", "bomb.parquet"])
def test_a_file_that_unpacks_to_too_much_is_left_at_the_limit(tmp_path: Path, name: str) -> None:
    """40 MB of one line, or of one value: 40 KB on their way."""
    line, count = b'{"n": "' + b"x" * 990 + b'"}\n', 40_000
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"n": pa.repeat("x" * 1_000, count)}), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(gzip.compress(line * count))
    assert (tmp_path / name).stat().st_size < 200_000
    whole = scan(str(tmp_path / name))
    assert (whole.flaw, round(whole.unpacked_bytes, -6)) == ("", 40_000_000)
    bomb = scan(str(tmp_path / name), max_unpacked_gb=0.01)
    assert bomb.flaw == "unpacks to more than 0.01 GB (max_unpacked_gb); is it what the shop exports?"
    assert bomb.unpacked_bytes < 35_000_000
