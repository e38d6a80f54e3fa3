"""Commands of a trial as processes: how they end, and what outlives a worker that is killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jobs.experiments import trial_commands as trials
from jobs.experiments.trial_commands import CommandFailed, TrialCommands, link, variable
from jobs.lake.partitions import PAIRS, PRODBERT, TOWERS
from jobs.lake.publish import publish
from jobs.lake.read import exists, pin
from tests.jobs.towers.classroom import DS, Args


@pytest.fixture
def commands(tmp_path: Path, lake: Path) -> TrialCommands:
    return TrialCommands(tmp_path, {"items": PAIRS.at(ds=DS)}, (), "dev", limit_s=20)


def instead(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this script stand for Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(trials.sys, "executable", str(path))


def test_a_command_that_fails_is_told_by_its_last_line(
    commands: TrialCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path / "python", r"echo first; printf 'no \033[31mroom\n\n'; exit 3", monkeypatch)
    with trials.held(tmp_path / "lock") as lock, pytest.raises(CommandFailed) as said:
        commands._run("towers", ["--lr", "1"], tmp_path, lock)
    assert str(said.value).startswith("towers: exit code 3: no [31mroom (log: ")


def test_a_command_that_takes_too_long_is_ended(
    commands: TrialCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path / "python", "exec sleep 60", monkeypatch)
    commands.limit_s = 0.3
    started = time.monotonic()
    with trials.held(tmp_path / "lock") as lock, pytest.raises(CommandFailed, match="the limit"):
        commands._run("towers", [], tmp_path, lock)
    assert time.monotonic() - started < 10


def test_what_a_killed_worker_left_running_is_waited_for(
    commands: TrialCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command holds the lock as well: nobody starts the same beside it."""
    instead(tmp_path / "python", f"touch {tmp_path}/begun; sleep 1; touch {tmp_path}/ended", monkeypatch)
    if not (pid := os.fork()):
        try:
            with trials.held(tmp_path / "lock") as lock:
                commands._run("towers", [], tmp_path, lock)
        finally:
            os._exit(0)
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert not (tmp_path / "ended").exists()
    with trials.held(tmp_path / "lock"):
        assert (tmp_path / "ended").exists()


def test_partitions_of_other_lakes_are_shown_and_not_copied(tmp_path: Path, lake: Path) -> None:
    """A PRODBERT of the lake, towers of another trial; what the trial writes stays in the trial."""
    bert, towers = PRODBERT.at(ds=DS), TOWERS.at(ds=DS, step="in_batch")
    with publish(bert, Args(bert)) as out:
        (out.folder / "config.json").write_text("{}")
    first, second = tmp_path / "first", tmp_path / "second"
    with variable("NIGHTSHELF_TRIALS", str(first)), publish(towers, Args(towers)) as out:
        (out.folder / "config.json").write_text("{1}")
    assert not exists(towers)
    with variable("NIGHTSHELF_TRIALS", str(second)):
        assert not exists(bert)
        link(bert, "", second)
        link(towers, str(first), second)
        link(towers, str(first), second)  # again: it is there
        assert pin(bert).path("config.json").read_text() == "{}"
        assert pin(towers).path("config.json").read_text() == "{1}"
        star = towers.having(step="star")
        with publish(star, Args(star)) as out:
            (out.folder / "config.json").write_text("{2}")
    assert sorted(path.name for path in lake.iterdir()) == ["prodbert_v1"]
    with variable("NIGHTSHELF_TRIALS", str(first)):
        assert not exists(star)
