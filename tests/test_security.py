"""The table of tests/SECURITY.md: every risk has a test, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "tests" / "SECURITY.md").read_text("utf-8").splitlines()
    if re.match(r"\| \d", line)
]


@cache
def known_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_risk_has_its_row() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 16))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_a_risk_names_tests_that_are_there(row: list[str]) -> None:
    _, risk, done, proved, *_ = row
    assert risk and done
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", proved)
    assert named and len(named) == proved.count("`") // 2, "a test is named as tests/file.py::test_name"
    assert [test for file, test in named if test not in known_tests(file)] == []
