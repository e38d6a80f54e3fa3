"""Whether the version in service is young: what a scheduler outside is told, and by which exit code."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.__main__ import main
from jobs.lake.alias import CHAMPION, move_alias
from jobs.lake.manifest import MANIFEST, POINTER
from jobs.lake.partitions import INDEX, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin


@dataclass(frozen=True)
class Args:
    """index  output"""

    index: Partition


def made(day: int, hours_ago: float) -> Pinned:
    """An index that was made so many hours ago."""
    to = INDEX.at(ds=f"2026-01-{day:02d}", space="7f3a5c1e9b2d4a60")
    with publish(to, Args(to)) as out:
        (out.folder / "index.faiss").write_bytes(b"vectors")
    path = Path(pin(to).uri) / MANIFEST
    at = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "created_at": at}), encoding="utf-8")
    pointer = Path(to.uri) / POINTER
    changed = {"manifest_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    pointer.write_text(json.dumps({**json.loads(pointer.read_text("utf-8")), **changed}), encoding="utf-8")
    return pin(to)


def refused(caplog: pytest.LogCaptureFixture, *words: str) -> str:
    """The sentence of a command that ended with 1."""
    caplog.clear()
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as ended:
        main(["freshness", *words])
    assert ended.value.code == 1
    return caplog.records[-1].getMessage()


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pytest's own handlers in place."""
    monkeypatch.setattr("jobs.platform.cli.quiet_logging", lambda: None)


def test_a_young_champion_is_one_line(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    move_alias(CHAMPION, index := made(31, hours_ago=29))
    main(["freshness", "--alias", "search/champion", "--max_age_h", "30"])
    line = json.loads(capsys.readouterr().out)
    assert (line["partition"], line["id"], line["how"]) == (str(index.partition), index.bundle_id, "promoted")
    assert line["age_h"] == pytest.approx(29, abs=0.02)


def test_no_champion_ends_with_1_and_names_the_lake(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert f"points nowhere in the lake at {lake}" in refused(caplog)


def test_an_old_champion_ends_with_1_its_age_and_where_to_look(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    move_alias(CHAMPION, made(30, hours_ago=41.5))
    text = refused(caplog)
    assert "index/ds=2026-01-30" in text and "41.5 h ago, expected at most 30 h" in text
    assert "alerts.jsonl" in text and "index_nightly" in text
    main(["freshness", "--max_age_h", "42"])


def test_a_rollback_of_a_minute_ago_is_as_old_as_what_it_went_back_to(
    lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, young = made(28, hours_ago=72), made(31, hours_ago=2)
    for index in (old, young):
        move_alias(CHAMPION, index)
    main(["freshness"])
    move_alias(CHAMPION, old, how="rolled back")
    assert "72.0 h ago" in (text := refused(caplog)) and "rolled back at" in text


def test_a_clock_that_goes_wrong_does_not_keep_a_champion_young(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    move_alias(CHAMPION, made(31, hours_ago=-500))
    assert "in the future" in refused(caplog)


def test_a_young_champion_with_a_file_missing_ends_with_1(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    move_alias(CHAMPION, index := made(31, hours_ago=1))
    (Path(index.uri) / "index.faiss").unlink()
    assert "index.faiss is missing" in refused(caplog)
