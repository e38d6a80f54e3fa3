"""The secret of an installation: made once, the same for all, and never made where machines share a lake."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.ingest.hashing_secret import hashing_secret


@pytest.fixture
def home(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NIGHTSHELF_SALT", raising=False)
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_is_made_once_for_all_who_ask_at_the_same_time(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        (found,) = set(pool.map(lambda _: hashing_secret(), range(32)))
    assert len(bytes.fromhex(found)) == 32
    assert [path.name for path in home.iterdir()] == ["salt"]
    assert stat.S_IMODE((home / "salt").stat().st_mode) == 0o600


def test_a_stated_one_goes_before_it_and_none_is_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SALT", "pepper")
    assert hashing_secret() == "pepper"
    assert not home.exists()


def test_a_shared_lake_asks_for_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_LAKE", "s3://shop/lake")
    with pytest.raises(ValueError, match="set the same secret on every machine"):
        hashing_secret()
    assert not home.exists()
