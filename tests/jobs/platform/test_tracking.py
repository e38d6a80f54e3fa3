"""Tracking never holds a job up: what MLflow misses is kept and sent later, and every mlflow_run that is opened is ended."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run

from jobs.lake.locks import file_lock
from jobs.lake.partitions import INDEX, ITEMS, TOWERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform import cli, replay_tracking, tracking, tracking_journal
from jobs.platform.arguments import CommandArgs
from jobs.platform.registry import register_towers, set_champion
from jobs.platform.tracking import client, journal_folder, mlflow_run, reopened
from jobs.platform.tracking_journal import journals

ROOT = Path(__file__).resolve().parents[3]
DECIDED_S = 10.0
ITEMS_AT = ITEMS.at(ds="2026-01-31")


@dataclass(frozen=True)
class Args:
    """items  input
    lr     a setting
    """

    items: Partition = ITEMS_AT
    lr: float = 0.5


class Nothing(CommandArgs):
    """Nothing to set."""


@pytest.fixture(autouse=True)
def fresh(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not asked MLflow yet."""
    monkeypatch.setattr(tracking, "_silent_until", 0.0)
    monkeypatch.setattr(tracking_journal, "_left", [])


@contextlib.contextmanager
def down(monkeypatch: pytest.MonkeyPatch, how: str = "refused") -> Iterator[None]:
    """A server that refuses, or takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server, monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        if how == "refused":
            server.close()
        yield
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracking, "_silent_until", 0.0)


def items() -> Pinned:
    args = Args()
    with publish(args.items, args) as out:
        (out.folder / "items.json").write_text("{}")
    return pin(args.items)


def job(items: Pinned) -> str:
    with mlflow_run("towers", Args(), [items]) as tracked:
        tracked.measures({"R@60": 0.7}, step=3)
        tracked.measures({"R@60": 0.8}, step=4)
        tracked.tags({"verdict": "pass"})
        tracked.text("zażółć", "note.txt")
    return tracked.id


def told(run_id: str) -> dict[str, object]:
    """All that MLflow knows of an mlflow_run but its ids and times."""
    api = client()
    run: Run = api.get_run(tracking.find_run(api, run_id))
    history = [(point.step, point.value) for point in api.get_metric_history(run.info.run_id, "R_at_60")]
    files = [file.path for file in api.list_artifacts(run.info.run_id)]
    inputs = [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs]
    tags = {name: text for name, text in run.data.tags.items() if name != tracking.KEY_TAG}
    name, lasted = run.info.run_name, run.info.end_time - run.info.start_time
    assert 0 <= lasted < 60_000
    return {"status": run.info.status, "name": name, "params": run.data.params, "tags": tags} | {
        "history": history,
        "files": files,
        "inputs": inputs,
    }


def waiting() -> list[Path]:
    return journals(journal_folder())


@pytest.mark.parametrize("how", ["refused", "black hole"])
def test_a_server_that_is_down_costs_seconds_and_nothing_is_lost(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = items()
    with down(monkeypatch, how):
        started = time.monotonic()
        monkeypatch.setattr(sys, "argv", ["towers"])
        monkeypatch.setattr(cli, "quiet_logging", lambda: None)
        cli.run(Nothing, lambda _: {"id": job(read), "second": job(read)})
        assert time.monotonic() - started < DECIDED_S
    said = json.loads(capsys.readouterr().out)
    assert len(waiting()) == 2 and {path.stat().st_mode & 0o777 for path in waiting()} == {0o640}
    (alert,) = said["alerts"]
    assert "replay_tracking" in alert and str(journal_folder()) in alert
    assert tracking_journal.alert_once() == [], "once a day"
    assert replay_tracking.main(replay_tracking.Args()) == {"sent": 2, "running": 0}
    assert waiting() == []
    assert told(said["id"]) == told(said["second"]) == told(job(read))
    assert told(said["id"])["status"] == "FINISHED"
    assert replay_tracking.main(replay_tracking.Args())["sent"] == 0


def test_a_server_that_goes_down_within_a_job_gets_the_rest_later(monkeypatch: pytest.MonkeyPatch) -> None:
    read = items()
    with mlflow_run("towers", Args(), [read]) as tracked:
        tracked.measures({"R@60": 0.7}, step=3)
        monkeypatch.setattr(tracked.client, "log_batch", lambda *_, **__: 1 / 0)
        monkeypatch.setattr(tracked.client, "set_terminated", lambda *_, **__: 1 / 0)
        monkeypatch.setattr(tracking, "PAUSES_S", ())
        tracked.measures({"R@60": 0.8}, step=4)
        tracked.tags({"verdict": "pass"})
        tracked.text("zażółć", "note.txt")
    assert len(waiting()) == 1
    assert replay_tracking.main(replay_tracking.Args())["sent"] == 1
    assert told(tracked.id) == told(job(read))


def test_a_killed_replay_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the file is deleted: what was sent is sent once more, and is there once."""
    with down(monkeypatch):
        run_id = job(items())
    (path,) = waiting()
    text = path.read_text("utf-8")
    replay_tracking.main(replay_tracking.Args())
    once = told(run_id)
    path.write_text(text, "utf-8")
    replay_tracking.main(replay_tracking.Args())
    assert told(run_id) == once
    assert len(client().search_runs([client().get_experiment_by_name("towers").experiment_id])) == 1


def test_two_jobs_that_log_one_input_at_once_both_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read, runs = items(), list[str]()
    client()
    start = threading.Barrier(6)

    def log() -> None:
        with mlflow_run("embeddings", Args()) as tracked:
            start.wait()
            tracked.inputs([read])
            runs.append(tracked.id)

    threads = [threading.Thread(target=log) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [client().get_run(run_id) for run_id in runs]
    assert [run.info.status for run in found] == ["FINISHED"] * 6
    assert {len(run.inputs.dataset_inputs) for run in found} == {1}
    assert waiting() == []


def test_an_entry_that_mlflow_refuses_does_not_leave_the_mlflow_run_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "PAUSES_S", ())
    with mlflow_run("towers", Args()) as tracked:
        tracked.params({"items": "another value"})
        tracked.measures({"R@60": 0.7})
    run = client().get_run(tracked.id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"R_at_60": 0.7})
    with pytest.raises(RuntimeError, match="1 refused:(.|\n)*another value"):
        replay_tracking.main(replay_tracking.Args())
    waiting()[0].unlink()


def test_a_job_that_raises_ends_its_mlflow_run() -> None:
    with pytest.raises(KeyError), mlflow_run("towers", Args()) as tracked:
        raise KeyError
    assert client().get_run(tracked.id).info.status == "FAILED"


KILLED = """
import os, signal, sys
from tests.jobs.platform.test_tracking import Args
from jobs.platform.tracking import mlflow_run
with mlflow_run("towers", Args()) as tracked:
    sys.stdout.write(tracked.id)
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_mlflow_run_of_a_killed_job_is_ended_by_the_next() -> None:
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert client().get_run(done.stdout).info.status == "RUNNING"
    with mlflow_run("towers", Args()) as running, mlflow_run("towers", Args()):
        assert client().get_run(done.stdout).info.status == "KILLED"
        assert client().get_run(running.id).info.status == "RUNNING"
    assert waiting() == []


def test_a_lock_that_is_never_let_go_is_named_and_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking, "TABLES_S", 0.5)
    monkeypatch.setattr("jobs.lake.locks.SPEAK_S", 0.1)
    caplog.set_level(logging.INFO)
    with file_lock(tracking.home() / "mlflow.lock"):
        run_id = job(items())
    assert "mlflow.lock: another process has it; waiting" in caplog.text
    assert "mlflow.lock: another process has held this lock for 0.5 s" in caplog.text
    monkeypatch.setattr(tracking, "_silent_until", 0.0)
    replay_tracking.main(replay_tracking.Args())
    assert told(run_id)["status"] == "FINISHED"


def test_the_children_of_a_run_that_waits_wait_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with down(monkeypatch), mlflow_run("sweep", Args()) as parent:
        pass
    monkeypatch.setenv("NIGHTSHELF_PARENT_RUN", parent.id)
    with mlflow_run("towers", Args()) as child:
        pass
    with reopened(parent.id) as again:
        again.measures({"R@60": 0.7})
        again.status("FINISHED")
    assert replay_tracking.main(replay_tracking.Args())["sent"] == 3
    api = client()
    found = api.get_run(tracking.find_run(api, parent.id))
    assert found.data.metrics == {"R_at_60": 0.7}
    run = api.get_run(tracking.find_run(api, child.id))
    assert run.data.tags["mlflow.parentRunId"] == found.info.run_id
    assert run.info.experiment_id == found.info.experiment_id


def trained(day: str) -> Pinned:
    """An index and the towers behind it, registered as training does."""
    towers, index = TOWERS.at(ds=day, step="star"), INDEX.at(ds=day, space="7f3a7f3a7f3a7f3a")
    with mlflow_run("towers", Args()) as tracked, publish(towers, Args()) as out:
        (out.folder / "towers.json").write_text("{}")
        out.facts.update(dim=4, space_id="7f3a7f3a7f3a7f3a")
        out.mlflow_run_id = tracked.id
    register_towers(pin(towers))
    with publish(index, Args(), [pin(towers)]) as out:
        (out.folder / "file.json").write_text("{}")
    return pin(index)


def test_the_registry_is_told_in_order_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with down(monkeypatch):
        first = trained("2026-01-30")
        assert set_champion("search/champion", first, "first") == "not updated"
    second = trained("2026-01-31")
    # MLflow is back, but what came before waits still
    assert set_champion("search/champion", second, "second") == "not updated"
    kept = {path: path.read_text("utf-8") for path in waiting()}
    assert replay_tracking.main(replay_tracking.Args())["sent"] == len(kept) == 5
    api = client()
    assert api.get_registered_model("search").aliases == {"champion": 2, "previous": 1}
    assert api.get_model_version("search", "2").tags["why"] == "second"
    for path, text in kept.items():
        path.write_text(text, "utf-8")
    replay_tracking.main(replay_tracking.Args())
    assert api.get_registered_model("search").aliases == {"champion": 2, "previous": 1}
    assert len(api.search_model_versions("name='search'")) == 2
    assert set_champion("search/champion", first, "back") == "search/1"
    assert api.get_registered_model("search").aliases == {"champion": 1, "previous": 2}
