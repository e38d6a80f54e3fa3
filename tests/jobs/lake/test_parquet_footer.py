"""Footers: the order of the encodings is the only thing that may change."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.lake.parquet_footer import MAGIC, sort_encodings, steady

ROWS = pa.table({"text": ["a", "b", "a"] * 50, "number": list(range(150)), "flag": [True] * 150})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pq.write_table(ROWS, tmp_path / "rows.parquet", row_group_size=40, write_page_checksum=True)
    return tmp_path / "rows.parquet"


def encodings(path: Path) -> list[tuple[str, ...]]:
    meta = pq.read_metadata(path)
    return [
        meta.row_group(group).column(column).encodings
        for group in range(meta.num_row_groups)
        for column in range(meta.num_columns)
    ]


def footer_start(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def test_any_order_of_encodings_becomes_the_same_bytes(path: Path) -> None:
    steady(str(path))
    first, before = path.read_bytes(), encodings(path)
    # turn one list round by hand: 0x35 heads a list of three i32; PLAIN 0, RLE 3, RLE_DICTIONARY 8 as zigzag
    start = footer_start(first)
    at = first.index(bytes([0x35, 0, 6, 16]), start)
    path.write_bytes(first[:at] + bytes([0x35, 16, 6, 0]) + first[at + 4 :])
    assert encodings(path) != before
    steady(str(path))
    assert path.read_bytes() == first
    assert pq.read_table(path, page_checksum_verification=True).equals(ROWS)


def test_nothing_else_moves(path: Path) -> None:
    before = path.read_bytes()
    steady(str(path))
    after = path.read_bytes()
    start = footer_start(before)
    assert after[:start] == before[:start]
    assert after[-8:] == before[-8:]
    assert sorted(after) == sorted(before)
    assert sort_encodings(after[start:-8]) == after[start:-8]


@pytest.mark.parametrize("data", [b"", b"PAR1", MAGIC + b"\xff\xff\xff\xff" + MAGIC])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(RuntimeError, match=r"x\.parquet: found no Parquet footer"):
        steady(str(tmp_path / "x.parquet"))
