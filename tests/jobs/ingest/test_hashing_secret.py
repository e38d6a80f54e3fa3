"""The secret of an installation: made once, the same for all, and never made where machines share a lake."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.ingest import impressions
from jobs.ingest.hashing_secret import FACT, changed_secret, fingerprint, hashing_secret
from jobs.lake.manifest import MANIFEST
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS
from jobs.lake.read import pin
from tests.jobs.ingest.ubi_records import DS, Deliver, ndjson, search


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


def test_a_fingerprint_names_the_secret_and_does_not_tell_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for secret in ("pepper", "Pepper", "salt"):
        monkeypatch.setenv("NIGHTSHELF_SALT", secret)
        assert fingerprint() == fingerprint()
        assert len(fingerprint()) == 16 and secret not in fingerprint()
        # not a plain hash, which whoever guesses secrets looks up in a table
        assert fingerprint() != hashlib.sha256(secret.encode()).hexdigest()[:16]
        names.add(fingerprint())
    assert len(names) == 3


def test_the_first_day_and_days_of_older_code_have_nothing_to_compare_with(deliver: Deliver) -> None:
    assert changed_secret(None, accepted=False) == ""
    deliver(f"query_users/ds={DS}", {"part.txt": b"x"})
    assert changed_secret(pin(QUERY_USERS.at(ds=DS)), accepted=False) == ""


@pytest.mark.spark
def test_another_secret_stops_the_day_until_somebody_accepts_it(
    spark: object, deliver: Deliver, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore without the secret: nobody of the days before is found again, and common queries turn rare."""

    def run(ds: str, salt: str, **settings: int) -> dict[str, object]:
        monkeypatch.setenv("NIGHTSHELF_SALT", salt)
        asked = [
            search(f"{ds}{who}", client_id=who, timestamp=f"{ds}T10:00:00Z", query_response_hit_ids=["a"])
            for who in ("anna", "bert")
        ]
        log = deliver(f"log/ds={ds}", {"log.ndjson": ndjson(*asked)})
        values = {"min_searchers": 2, **settings}
        return impressions.main(impressions.Args(log, IMPRESSIONS.at(ds=ds), **values))  # type: ignore[arg-type]

    assert run("2026-01-30", "pepper")["alerts"] == []
    with pytest.raises(
        ValueError, match=r"query_users/ds=2026-01-30: people were hashed with another.*--accept_salt 1"
    ):
        run(DS, "salt")
    for settings in ({"accept_salt": 1}, {"min_searchers": 1}):  # without a threshold little is lost: a warning
        (alert,) = run(DS, "salt", **settings)["alerts"]  # type: ignore[misc]
        assert "query_users/ds=2026-01-30: people were hashed with another secret" in alert
        assert pin(IMPRESSIONS.at(ds=DS)).facts["salt_changed"] == 1
    for table in (IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS):
        assert pin(table.at(ds="2026-01-30")).facts[FACT] != pin(table.at(ds=DS)).facts[FACT] == fingerprint()
    # accepted once: the next day has the same
    assert changed_secret(pin(QUERY_USERS.at(ds=DS)), accepted=False) == ""
    assert not any(b"pepper" in path.read_bytes() for path in lake.rglob(MANIFEST))
