"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import re

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
# first bytes -> what it is, and what to do
_MARKS = {
    GZIP: "gzip: name it .gz, or unpack it if it has that name already",
    ZSTD: "zstd: unpack it",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel file: save the sheet as CSV in UTF-8",
    b"\xfd7zXZ\x00": "an xz file: unpack it",
    b"BZh": "a bzip2 file: unpack it",
    b"PAR1": "a Parquet file: name it .parquet",
    b"%PDF": "a PDF",
    b"\xff\xfe": "text in UTF-16: convert it: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "text in UTF-16: convert it: iconv -f UTF-16 -t UTF-8",
}
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
# ASCII in two bytes a letter, without a mark
_WIDE = re.compile(rb"(?:[^\0]\0){8}|(?:\0[^\0]){8}")


def foreign(head: bytes) -> str:
    """What the file is that begins so, if it is no text in UTF-8 that somebody exported; else nothing."""
    if _PAGE.match(head):
        return "an HTML or XML page, perhaps a server's error: export it again"
    if _WIDE.match(head):
        return _MARKS[b"\xff\xfe"]
    return next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), "")
