"""What a file is by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.platform.file_kinds import foreign

TEXT = b'{"query_id": "q1", "user_query": "buty"}\n'


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": [1]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(TEXT), "gzip: name it .gz"),
        (bytes(pa.Codec("zstd").compress(TEXT, asbytes=True)), "zstd"),
        (workbook(), "an Excel workbook"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "an Excel file"),
        (bz2.compress(TEXT), "a bzip2 file"),
        (lzma.compress(TEXT), "an xz file"),
        (parquet(), "a Parquet file: name it .parquet"),
        (TEXT.decode().encode("utf-16"), "text in UTF-16"),
        (TEXT.decode().encode("utf-16-le"), "text in UTF-16"),
        (TEXT.decode().encode("utf-16-be"), "text in UTF-16"),
        (b"\n<!DOCTYPE html><html>", "an HTML or XML page"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><Error/>', "an HTML or XML page"),
    ],
)
def test_what_a_file_is(data: bytes, said: str) -> None:
    assert foreign(data).startswith(said) or f" {said}" in foreign(data)


@pytest.mark.parametrize(
    "data", [TEXT, b"\xef\xbb\xbf" + TEXT, b"item_id,title\n", b"", b"<b>Lampa</b>,1\n", bytes(100), b"PKO,1\n"]
)
def test_text_is_text(data: bytes) -> None:
    assert not foreign(data)
