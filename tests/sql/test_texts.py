"""Rules for every SQL text: the grain comes first, columns are selected by name, and nothing is formatted into it."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

TEXTS = sorted((Path(__file__).resolve().parents[2] / "sql").glob("*.sql"))


def is_comment(line: str) -> bool:
    return line.startswith("-- ")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_text(path: Path) -> None:
    text = path.read_text("utf-8")
    head = [line.removeprefix("-- ") for line in takewhile(is_comment, text.splitlines())]
    assert re.match(r"Grain: one row per .+\. Input: .+", " ".join(head))
    code = re.sub(r"--.*|'[^']*'", "", text)
    assert re.match(r"\s*(WITH|SELECT)\b", code)
    assert not re.search(r"SELECT\s+\*|\.\*", code)
    assert not re.search(r"\b(CREATE|INSERT|DROP|MERGE|DELETE|UPDATE|ALTER)\b", code)
    assert not re.search(r"[{}]|%s", code)
