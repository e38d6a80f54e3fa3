"""The page of faults names tests that exist: `make faults` runs them."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "tests" / "FAULTS.md").read_text("utf-8")
FAULTS = 49


@cache
def functions_of(path: Path) -> set[str]:
    """Names of the test functions of a file."""
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_a_test_and_every_test_is_there() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, FAULTS + 1))
    for number, *_, proofs in rows:
        assert proofs.split(), f"fault {number}: no test"
        for proof in proofs.split():
            path, _, name = proof.partition("::")
            assert name in functions_of(ROOT / path), f"fault {number}: {proof} is not there"


def test_the_command_runs_all_of_them() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nfaults:")[2].partition("\n\n")[0]
    pattern = re.search(r"grep -oh '([^']+)' tests/FAULTS.md", recipe)
    assert pattern and set(re.findall(pattern[1], PAGE)) == {word for word in PAGE.split() if "::" in word}
