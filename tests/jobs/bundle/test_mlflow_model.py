"""The registered model: a pointer into the lake, followed only where it still leads to what was registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow.pyfunc.model import PythonModelContext

from jobs.bundle.mlflow_model import QueryTower
from jobs.lake.partitions import Partition
from jobs.lake.read import pin

TOWERS = "towers/ds=2026-01-31/step=in_batch"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"manifest_sha256": "0" * 64}, "its manifest is not the one that was registered"),
        ({"partition": "towers/ds=../../etc"}, "found keys ds/../etc"),
        ({"attempt": "20260131T000000-abcdef"}, "No such file"),
    ],
)
def test_a_pointer_that_was_changed_loads_nothing(
    deliver: Callable[[str, dict[str, bytes]], Partition], tmp_path: Path, change: dict[str, str], said: str
) -> None:
    source = asdict(pin(deliver(TOWERS, {"weights.safetensors": b"x"})).source)
    pointer = tmp_path / "pointer.json"
    pointer.write_text(json.dumps(source | change))
    with pytest.raises((RuntimeError, ValueError, FileNotFoundError), match=said):
        QueryTower().load_context(PythonModelContext({"pointer": str(pointer)}, None))
