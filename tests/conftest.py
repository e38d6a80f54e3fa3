"""Fixtures of the whole house."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty lake and an empty home, named by the environment as on any machine."""
    root = tmp_path / "lake"
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(root))
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root
