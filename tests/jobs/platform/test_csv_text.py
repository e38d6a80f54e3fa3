"""CSV: quotes that swallow records are found, quotes that do not are left alone; headers that mislead are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.platform.csv_text import CsvError, CsvHeader, check_csv, read_csv

HEAD = "item_id,title,category\n"
REFUSED = {
    "closed by the next stray quote": ('1,oak shelf,x\n2,"12in pan,y\n3,lamp,z\n4,"14in pan,y\n5,rug,z\n', 3),
    # to RFC 4180 this is one record
    "closed at the end of a field": ('1,oak,x\n2,"12in pan,Kitchen\n3,lamp,Home\n4,pan 14",Home\n', 3),
    "closed where a quoted field begins": ('2,"12in pan,y\n3,"lamp, red",z\n', 2),
    "never closed": ('1,oak,x\n2,"12in pan,y\n3,lamp,z\n', 3),
    "never closed, in the last line": ('1,oak,x\n2,b,"12in', 3),
    "open behind a harmless quote": ('1,"Nora" mill,"12in\n2,x,y\n3,z,w\n', 2),
    "a file in a field": ('1,oak,x\n2,"12in,y\n' + "".join(f"{n},lamp number {n},z\n" for n in range(90_000)), 3),
    "blank lines between": ('2,"12in pan,Kitchen\n\n3,lamp,Home\n\n4,pan 14",Home\n', 2),
}
BACKSLASHES = {
    # to RFC 4180 the field ends there, and a comma behind it begins another one
    "before a comma": ('1,oak,x\n2,"12\\" pan, black",y\n', 3),
    "twice": ('1,"say \\"hi\\" to",x\n', 2),
}
TAKEN = {
    "a folder": '1,"C:\\dir\\",x\n2,a\\b,y\n',
    "line breaks and commas in a text": '1,"Lampa,\n wisząca",x\n2,"<p>red, blue</p>\n<p>a, b</p>\n",y\n',
    "a line break in the first field": '"but\n zimowy",x,y\n"a,\nb",c,d\n',
    "inch marks": '1,12" pan,x\n2,5" x 3",y\n3,"12"" pan",z\n',
    "words behind a closing quote": '1,"Nora" mill,x\n2,"",y\n',
    "windows lines": '1,"a\r\nb",x\r\n2,c,y\r\n',
    "other widths": '1,"a\nb",x\n2,c\n3,d,e,f\n',
    "nothing": "",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_quote_that_swallows_records_is_named_by_its_line(tmp_path: Path, case: str) -> None:
    text, line = REFUSED[case]
    path = tmp_path / "a.csv"
    path.write_text(HEAD + text)
    with pytest.raises(CsvError, match=rf"^line {line} \(data line {line - 1}\): a quoted field begins there"):
        check_csv(str(path))
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress((HEAD + text).replace(",", "\t").encode()))
    with pytest.raises(CsvError, match=f"^line {line} "):
        check_csv(str(packed))


@pytest.mark.parametrize("case", BACKSLASHES)
def test_a_quote_behind_a_backslash_is_named_by_its_line(tmp_path: Path, case: str) -> None:
    text, line = BACKSLASHES[case]
    (tmp_path / "a.csv").write_text(HEAD + text)
    with pytest.raises(CsvError, match=rf"^line {line} \(data line {line - 1}\): a quote behind a backslash"):
        check_csv(str(tmp_path / "a.csv"))


def test_blanks_around_names_are_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("item_id, title ,category\n")
    assert check_csv(str(tmp_path / "a.csv")).names == ["item_id", "title", "category"]


@pytest.mark.parametrize("case", TAKEN)
def test_other_quotes_are_left_alone(tmp_path: Path, case: str) -> None:
    (tmp_path / "a.csv").write_text(HEAD + TAKEN[case], newline="")
    assert check_csv(str(tmp_path / "a.csv")) == CsvHeader(["item_id", "title", "category"], ",")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("item_id,größe\n".encode("cp1252"), "header is not UTF-8 .*Windows-1252"),
        ("item_id,title\n1,x\n".encode("utf-16"), "UTF-16"),
        ("item_id,title\n1,x\n".encode("utf-16-le"), "UTF-16"),
        (b"", "empty"),
        (gzip.compress(b"item_id,title\n" * 9_000)[:-30], "damaged"),
    ],
)
def test_other_files_are_refused_by_their_cause(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / ("a.csv.gz" if data.startswith(b"\x1f\x8b") else "a.csv")
    path.write_bytes(data)
    with pytest.raises(CsvError, match=expected):
        check_csv(str(path))


def test_columns_that_are_needed_come_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("note;item_id;note;title\nx;1;y;a,b\n")
    header = check_csv(str(path))
    header.require(["item_id", "title"])
    assert read_csv(str(path), header, {"title": pa.string(), "item_id": pa.string()}).to_pylist() == [
        {"title": "a,b", "item_id": "1"}
    ]
    with pytest.raises(CsvError, match=r"expected also \['price'\]"):
        header.require(["price"])
    with pytest.raises(CsvError, match="column 'note' 2 times"):
        header.require(["item_id"], ["note"])
