"""Real data, which stays outside the repository: `NIGHTSHELF_DATA` names its folder, else ../shared/data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("NIGHTSHELF_DATA", Path(__file__).resolve().parents[2] / "shared/data"))


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where this file or folder of the data is absent: other people's data stays outside the repository."""
    return pytest.mark.skipif(
        not (DATA / name).exists(),
        reason=f"no {name}, which stays outside the repository: NIGHTSHELF_DATA names the folder that holds it",
    )
