"""Airflow for tests: an empty home of its own, made before Airflow is imported (it writes there on import)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="nightshelf-airflow-"))
for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]
os.environ |= {"AIRFLOW_HOME": str(HOME), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

GOLDEN = Path(__file__).parent / "golden"
Golden = Callable[[str, str], None]


@pytest.fixture
def golden() -> Golden:
    """Compare a text with tests/dags/golden/<name>; REBUILD_GOLDEN=1 records it instead."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("REBUILD_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{name}: REBUILD_GOLDEN=1 re-records"

    return check
