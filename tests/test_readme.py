"""What the README says can be done, can be done: its commands, its settings, its make targets."""

import ast
import re
from pathlib import Path

import pytest

from jobs.lake.commands import module_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"python -m jobs (\w+ --.*)", README)))
# for tests and for one process's own use
INTERNAL = {"NIGHTSHELF_FAULT", "NIGHTSHELF_WARM_SPARK"}
# names that jobs.local.airflow_env puts together
PORTS = {f"NIGHTSHELF_{service}_PORT" for service in ("AIRFLOW", "MLFLOW", "SITE")}


def fields(job: str) -> set[str]:
    """Names of the fields of a job's Args, read from its source."""
    body = ast.parse((ROOT / f"{module_of(job).replace('.', '/')}.py").read_text()).body
    (args,) = [node for node in body if isinstance(node, ast.ClassDef) and node.name == "Args"]
    return {n.target.id for n in args.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_uses_flags_that_its_job_has(command: str) -> None:
    job, *words = command.split()
    flags = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    assert flags <= fields(job)


def test_every_setting_is_in_the_table_and_every_row_is_a_setting() -> None:
    sources = [*(ROOT / "jobs").rglob("*.py"), *(ROOT / "dags").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    read = {
        name
        for path in sources
        if path != Path(__file__)
        for name in re.findall(r"NIGHTSHELF_[A-Z_]+[A-Z]", path.read_text())
    }
    told = set(re.findall(r"^\| `(NIGHTSHELF_\w+)` ", README, re.MULTILINE))
    assert told == (read | PORTS) - INTERNAL


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [README, (ROOT / "CONTRIBUTING.md").read_text()]
    named = {name for text in texts for name in re.findall(r"(?:`|^    )make ([a-z]+)", text, re.MULTILINE)}
    assert named and named <= targets
