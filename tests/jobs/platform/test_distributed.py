"""One training in two processes: by torchrun and by Spark's TorchDistributor, to the towers of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jobs.bundle.tower_files import load_towers
from jobs.lake.read import pin
from jobs.towers import train as towers
from tests.jobs.towers.classroom import IN_BATCH, SMALL, TABLES, publish_learning

ROOT = Path(__file__).resolve().parents[3]
FLAGS = {**TABLES, "towers": IN_BATCH, **SMALL, "epochs": 2, "hard_negatives": 1}


def words() -> list[str]:
    """The flags as a command line has them."""
    return [word for name, value in FLAGS.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def alone(lake: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The little shop's partitions, made by one process."""
    publish_learning()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    towers.main(towers.Args(**FLAGS))  # type: ignore[arg-type]
    return load_towers(pin(IN_BATCH)).state()[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "jobs", "towers"],
        pytest.param(["-m", "jobs.towers.spark_launcher", "towers"], marks=pytest.mark.spark),
    ],
    ids=["torchrun", "spark"],
)
def test_two_processes_make_the_towers_of_one(alone: dict[str, torch.Tensor], start: list[str]) -> None:
    before = pin(IN_BATCH).manifest_sha256
    done = subprocess.run(
        [sys.executable, *start, *words()],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(said) == 1, "the first process alone answers"
    found = pin(IN_BATCH)
    assert found.manifest_sha256 != before
    assert said[0]["space_id"] == found.facts["space_id"]
    for name, one in load_towers(found).state()[2].items():
        assert float((one - alone[name]).abs().max()) < 1e-3, name
